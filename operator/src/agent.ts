// The agent of one provider: node operator/src/agent.ts --provider acme --hub-kubeconfig F --kubeconfig F --http-address A
import packageJson from '../../package.json' with { type: 'json' }
import { agentCaches } from './adapters/kubernetes/agent/caches.ts'
import { leasePorts, readHubUid } from './adapters/kubernetes/agent/lease.ts'
import { nodeClaimPorts } from './adapters/kubernetes/agent/node-claim-ports.ts'
import { nodeWatch } from './adapters/kubernetes/agent/node-watch.ts'
import { runPorts } from './adapters/kubernetes/agent/run-ports.ts'
import { kubernetesVersion, report } from './adapters/kubernetes/agent/start-up.ts'
import { wireAgent } from './adapters/kubernetes/agent/wiring.ts'
import type { KubeClient } from './adapters/kubernetes/client.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { agentGauges, agentMetrics } from './adapters/prometheus/metrics.ts'
import { type Program, runMain } from './adapters/run-main.ts'
import { type AgentConfig, agentConfig, inCluster } from './config.ts'
import { type HeartbeatPorts, keepLease, takeLease } from './controllers/agent/heartbeat.ts'
import { nodeClaimReconciler } from './controllers/agent/node-claims.ts'
import { runReconciler } from './controllers/agent/run.ts'
import { providerNamespace } from './domain/lifecycle/gpurun.ts'
import { WorkerRecords } from './domain/lifecycle/worker-records.ts'

const metrics = agentMetrics()
const userAgent = `gpu-commons-agent/${packageJson.version}`

async function agent(config: AgentConfig, program: Program): Promise<void> {
  await using hub = await connect({ kubeconfig: config.hubKubeconfig, userAgent, giveUp: program.late })
  const own = config.kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig: config.kubeconfig }
  await using provider = await connect({ ...own, userAgent, giveUp: program.late })

  const namespace = providerNamespace(config.provider)
  program.waitsFor('the Lease of this provider')
  const hubUid = await readHubUid({ hub, namespace }, { signal: program.signal })
  const heartbeat: HeartbeatPorts = {
    ...program,
    ...leasePorts({ hub, namespace, identity: config.identity, now: program.clock.now }),
    identity: config.identity,
    beatMs: config.heartbeatSeconds * 1000,
    onRenewed: metrics.countHeartbeat,
    onSilent: () => {
      metrics.setHolding(false)
      program.waitsFor('the hub, which has taken no heartbeat for as long as the Lease lasts')
    },
    onHeard: () => {
      metrics.setHolding(true)
      program.waitsFor(undefined)
    },
    onError: program.onError('heartbeat'),
  }
  const lease = await takeLease(heartbeat, program.signal)
  metrics.setHolding(true)
  program.log.info({ namespace, identity: config.identity, hubUid }, 'holds the Lease of this provider')
  const beating = keepLease(heartbeat, lease, program.signal)
  beating.catch(program.stop)

  program.waitsFor('the lists of runs, nodes, pods and Jobs')
  await report(hub, namespace, {
    agentVersion: packageJson.version,
    kubernetesVersion: await kubernetesVersion(provider),
  })
  await follow({ config, program, hub, provider, hubUid, namespace })
  await heartbeat.release(await beating)
}

interface Place {
  readonly config: AgentConfig
  readonly program: Program
  readonly hub: KubeClient
  readonly provider: KubeClient
  readonly hubUid: string
  /** The agent's own on the hub. */
  readonly namespace: string
}

async function follow(place: Place): Promise<void> {
  const { config, program, hub, provider, hubUid, namespace } = place
  const { clock, queue, signal, onError } = program
  const caches = agentCaches({
    hub: { ...program, client: hub, onError: onError('watch of the hub') },
    provider: { ...program, client: provider, onError: onError('watch of the provider') },
    hubUid,
    namespace,
  })
  await caches.synced
  program.waitsFor(undefined)

  const records = new WorkerRecords()
  const node = nodeWatch(caches.nodes, clock.boot)
  const world = { ...place, ...program, caches, records, node, providerName: config.provider }
  const queues = {
    runs: queue('run', runReconciler(runPorts(world)), 32),
    nodes: queue('node-claim', nodeClaimReconciler(nodeClaimPorts(world)), 4),
  }
  agentGauges(metrics, { queues: Object.values(queues), runs: () => caches.runs.values() })
  wireAgent(caches, { queues, records, boot: clock.boot })
  await Promise.all(Object.values(queues).map((one) => one.run(signal)))
}

await runMain({ name: 'agent', readConfig: agentConfig, metrics, run: agent })
