// The agent of one provider: node operator/src/agent.ts --provider acme --hub-kubeconfig F --kubeconfig F --http-address A
import { createHash } from 'node:crypto'
import packageJson from '../../package.json' with { type: 'json' }
import { serveHttp } from './adapters/http/server.ts'
import { agentCaches } from './adapters/kubernetes/agent/caches.ts'
import { leasePorts, readHubUid } from './adapters/kubernetes/agent/lease.ts'
import { nodeClaimPorts } from './adapters/kubernetes/agent/node-claim-ports.ts'
import { nodeWatch } from './adapters/kubernetes/agent/node-watch.ts'
import { runPorts } from './adapters/kubernetes/agent/run-ports.ts'
import { ensurePriorityClass, kubernetesVersion, report } from './adapters/kubernetes/agent/start-up.ts'
import { wireAgent } from './adapters/kubernetes/agent/wiring.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { logger } from './adapters/log.ts'
import { agentMetrics, countBy } from './adapters/prometheus/metrics.ts'
import { type Running, runMain } from './adapters/run-main.ts'
import { systemClock, systemTimers as timers } from './adapters/system-clock.ts'
import { type AgentConfig, agentConfig, inCluster } from './config.ts'
import { type HeartbeatPorts, keepLease, takeLease } from './controllers/agent/heartbeat.ts'
import { nodeClaimReconciler } from './controllers/agent/node-claims.ts'
import { runReconciler } from './controllers/agent/run.ts'
import { type Reconcile, workQueue } from './controllers/work-queue.ts'
import { providerNamespace } from './domain/lifecycle/gpurun.ts'
import { WorkerRecords } from './domain/lifecycle/worker-records.ts'
import { tenantNamespace } from './domain/workload/tenant-namespace.ts'

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex')

async function agent(config: AgentConfig, { signal, stop }: Running): Promise<void> {
  const log = logger('agent', config.logLevel)
  const clock = systemClock()
  const random = Math.random
  const metrics = agentMetrics()
  const onError = (where: string) => (error: unknown, key?: string) => {
    metrics.countError(where)
    log.error({ err: error, where, ...(key === undefined ? {} : { key }) }, `${where} failed and tries again`)
  }

  let waitsFor: string | undefined = 'the hub'
  await using http = await serveHttp({ ...config.http, registry: metrics.registry, notReady: () => waitsFor })
  log.info({ address: http.address }, 'serving /metrics, /healthz and /readyz')

  const userAgent = `gpu-commons-agent/${packageJson.version}`
  await using hub = await connect({ kubeconfig: config.hubKubeconfig, userAgent })
  const own = config.kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig: config.kubeconfig }
  await using provider = await connect({ ...own, userAgent })

  const namespace = providerNamespace(config.provider)
  const hubUid = await readHubUid({ hub, namespace })
  const heartbeat: HeartbeatPorts = {
    ...leasePorts({ hub, namespace, identity: config.identity, now: clock.now }),
    identity: config.identity,
    beatMs: config.heartbeatSeconds * 1000,
    clock,
    timers,
    onRenewed: metrics.countHeartbeat,
    onError: onError('heartbeat'),
  }
  waitsFor = 'the Lease of this provider'
  const lease = await takeLease(heartbeat, signal)
  metrics.setHolding(true)
  log.info({ namespace, identity: config.identity, hubUid }, 'holds the Lease of this provider')
  const beating = keepLease(heartbeat, lease, signal).catch(stop)

  waitsFor = 'the lists of runs, nodes, pods and Jobs'
  await ensurePriorityClass(provider)
  await report(hub, namespace, {
    agentVersion: packageJson.version,
    kubernetesVersion: await kubernetesVersion(provider),
  })
  const shared = { clock, timers, random, signal }
  const caches = agentCaches({
    hub: { ...shared, client: hub, onError: onError('watch of the hub') },
    provider: { ...shared, client: provider, onError: onError('watch of the provider') },
    hubUid,
    namespace,
  })
  await caches.synced
  waitsFor = undefined
  log.info(
    { runs: caches.runs.size, nodes: caches.nodes.size, pods: caches.pods.size, jobs: caches.jobs.size },
    'caches are filled',
  )

  const records = new WorkerRecords()
  const queue = (name: string, reconcile: Reconcile, concurrency: number) =>
    workQueue({
      name,
      reconcile,
      concurrency,
      clock,
      timers,
      random,
      onError: onError(name),
      observe: metrics.observePass,
    })
  const node = nodeWatch(caches.nodes, clock.boot)
  const queues = {
    runs: queue(
      'run',
      runReconciler(
        runPorts({
          ...{ hub, provider, caches, records, node, hubUid, clock },
          providerName: config.provider,
          namespaceOf: (run) => tenantNamespace(hubUid, run.spec.job.namespace, sha256Hex),
        }),
      ),
      32,
    ),
    nodes: queue('node-claim', nodeClaimReconciler(nodeClaimPorts({ hub, caches, namespace })), 4),
  }
  metrics.observeQueues(Object.values(queues))
  metrics.gaugeRuns(() => countBy(caches.runs.values(), ({ status }) => status?.state ?? 'Ordered'))

  wireAgent(caches, { queues, records, boot: clock.boot })
  await Promise.all([beating, ...Object.values(queues).map((one) => one.run(signal))])
}

await runMain(agentConfig, agent)
