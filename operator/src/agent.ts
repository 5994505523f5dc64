// The agent of one provider: node operator/src/agent.ts --provider acme --invite FOLDER --kubeconfig F --http-address A
import packageJson from '../../package.json' with { type: 'json' }
import { readInvite } from './adapters/invite-folder.ts'
import { credentialPorts, HubAccess } from './adapters/kubernetes/agent/hub-credential.ts'
import { leasePorts } from './adapters/kubernetes/agent/lease.ts'
import { memoryPorts, tellLeft } from './adapters/kubernetes/agent/memory.ts'
import { type AgentReadiness, agentReadiness } from './adapters/kubernetes/agent/readiness.ts'
import { type Filled, obeyWhileTrusted } from './adapters/kubernetes/agent/session.ts'
import { surroundings } from './adapters/kubernetes/agent/surroundings.ts'
import { unorderedPorts } from './adapters/kubernetes/agent/unordered-ports.ts'
import type { KubeClient } from './adapters/kubernetes/client.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { agentGauges, agentMetrics } from './adapters/prometheus/metrics.ts'
import { readRules } from './adapters/rules-file.ts'
import { type Program, runMain } from './adapters/run-main.ts'
import { type AgentConfig, agentConfig, inCluster } from './config.ts'
import { keepCredential, obtainCredential } from './controllers/agent/credential.ts'
import { type HeartbeatPorts, keepLease, takeLease } from './controllers/agent/heartbeat.ts'
import { HubTrust } from './controllers/agent/hub-trust.ts'
import { Leaving } from './controllers/agent/leaving.ts'
import { Opening } from './controllers/agent/opening.ts'
import { tellUnordered } from './controllers/agent/unordered.ts'
import type { WorkQueue } from './controllers/work-queue.ts'
import { providerNamespace } from './domain/lifecycle/gpurun.ts'
import type { LeaseIdentity } from './domain/lifecycle/hub-identity.ts'

const metrics = agentMetrics()
const userAgent = `gpu-commons-agent/${packageJson.version}`

async function agent(config: AgentConfig, program: Program): Promise<void> {
  const { log, signal, onError, stop } = program
  const toOwn = { ...wayToOwn(config), giveUp: program.late }
  const namespace = providerNamespace(config.provider)
  // Whether anything may be written is decided by these two: what they write themselves goes its own way.
  await using remembers = await connect({ ...toOwn, userAgent: `${userAgent}/memory` })
  const readiness = agentReadiness({ ...metrics, ...config, ...program, warn: (what) => log.warn(`waits for ${what}`) })
  const way = await wayToHub(config, { program, own: remembers, readiness })
  const toHub = { ...way.where, giveUp: program.late }
  await using beats = await connect({ ...toHub, userAgent: `${userAgent}/heartbeat` })

  const beatMs = config.heartbeatSeconds * 1000
  const leaving = new Leaving()
  const rules = await readRules(config.rulesFile)
  const opening = new Opening(rules, program.clock)
  const memory = { provider: remembers, namespace: config.namespace, providerName: config.provider }
  const trust = new HubTrust({
    ...program,
    ...memoryPorts({ ...memory, onLeaving: (question) => leaving.ask(question), signal }),
    lookMs: beatMs,
    nonce: () => crypto.randomUUID(),
    onChange: readiness.hubChanged,
    onError: onError('memory of the hub'),
  })
  const heartbeat = heartbeatPorts({ config, program, beats, trust, readiness })
  const keeping = trust.keep(signal)
  const lease = await takeLease(heartbeat, signal)
  readiness.heard(true)
  log.info({ namespace, identity: config.identity }, 'holds the Lease of this provider')
  const beating = keepLease(heartbeat, lease, signal)
  beating.catch(stop)

  const beforeWrite = trust.assertTrusted
  await using hub = await connect({ ...toHub, userAgent, beforeWrite })
  await using provider = await connect({ ...toOwn, userAgent, beforeWrite })
  const telling = tellUnordered(
    {
      ...program,
      ...unorderedPorts({ hub: beats, provider: remembers, namespace }),
      hubUid: () => trust.cluster,
      isDistrusted: () => trust.distrust !== undefined,
      lookMs: beatMs,
      onError: onError('what computes without an order'),
    },
    signal,
  )
  const place = {
    program,
    hub,
    provider,
    providerName: config.provider,
    agentVersion: packageJson.version,
    namespace,
    orphanAfterSeconds: config.orphanAfterSeconds,
    ...wallsOf(config, provider),
    onSetBack: () => trust.setBack(),
    leaving,
    rules,
    rackLabel: config.rackLabel,
    opening,
    tellLeft: (question: string) => tellLeft(memory, question),
    onOverQuota: overQuotaTeller(log, namespace),
    vouched: (until: AbortSignal) => trust.vouched(until),
  }
  const looking = opening.keep(program.timers, signal)
  await obeyWhileTrusted({ trust, signal, ...place, ...shown(readiness) })
  await Promise.all([keeping, telling, way.kept, looking])
  await heartbeat.release(await beating)
}

/** What the gauges show is that of the session that is on. */
function shown(readiness: AgentReadiness) {
  const queues: WorkQueue[] = []
  let runs: Filled['runs'] | undefined
  agentGauges(metrics, { queues, runs: () => runs?.values() ?? [] })
  const onFilled = (filled: Filled) => {
    runs = filled.runs
    queues.splice(0, Infinity, ...filled.queues)
    readiness.filled(true)
  }
  return { onFilled, onOver: () => readiness.filled(false) }
}

function wayToOwn({ kubeconfig }: AgentConfig) {
  return kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig }
}

/** What the walls around tenants are made of, and tried with. */
function wallsOf({ kubeconfig, closedRanges, probeImage }: AgentConfig, provider: KubeClient) {
  const serviceHost = kubeconfig === undefined ? inCluster().host : undefined
  return { surroundings: surroundings({ provider, serviceHost, closedRanges }), probeImage }
}

function overQuotaTeller(log: Program['log'], namespace: string): (nodes: number) => void {
  const what = `the hub takes no more nodes of this cluster, its ResourceQuota in ${namespace} is full: ask its operator for more`
  return (nodes) => {
    metrics.setOverQuota(nodes)
    if (nodes === 1) log.warn(`${what}; gpucommons_agent_nodes_over_quota says how many are left out`)
  }
}

interface WayToHub {
  readonly where: { readonly kubeconfig: string } | { readonly access: HubAccess }
  /** Resolves when the program ends and nothing has to be kept any more. */
  readonly kept?: Promise<void>
}

interface Joining {
  readonly program: Program
  readonly own: KubeClient
  readonly readiness: Pick<AgentReadiness, 'waitsForHub'>
}

/** With an invite: joins, where that was not done yet, and keeps what it got for as long as the program runs. */
async function wayToHub(
  { hub, provider, namespace }: AgentConfig,
  { program, own, readiness }: Joining,
): Promise<WayToHub> {
  if ('kubeconfig' in hub) return { where: hub }
  const read = () => readInvite(hub.inviteFolder)
  const access = new HubAccess(await read())
  const ports = {
    ...program,
    ...credentialPorts({
      provider,
      namespace,
      agentVersion: packageJson.version,
      own,
      readInvite: read,
      connectWith: (as) => connect({ access: as, userAgent: `${userAgent}/join`, giveUp: program.late }),
      access,
      onOtherHub: program.stop,
      now: program.clock.now,
    }),
    tell: readiness.waitsForHub,
    onError: program.onError('credential on the hub'),
  }
  const held = await obtainCredential(ports, program.signal)
  const { refused, done } = keepCredential(ports, held, program.signal)
  access.onRefused = refused
  return { where: { access }, kept: done }
}

interface Beating {
  readonly config: AgentConfig
  readonly program: Program
  readonly beats: KubeClient
  readonly trust: HubTrust
  readonly readiness: AgentReadiness
}

function heartbeatPorts({ config, program, beats, trust, readiness }: Beating): HeartbeatPorts {
  const { identity, provider, heartbeatSeconds } = config
  const namespace = providerNamespace(provider)
  const { clock, signal } = program
  const about = {
    onSeen: (seen: LeaseIdentity | 'Gone') => trust.see(seen),
    distrust: () => trust.distrust,
    question: () => trust.question(),
  }
  return {
    ...program,
    ...leasePorts({ ...about, hub: beats, namespace, identity, now: clock.now, signal }),
    identity,
    beatMs: heartbeatSeconds * 1000,
    onStandBy: readiness.standsBy,
    onRenewed: metrics.countHeartbeat,
    onSilent: () => readiness.heard(false),
    onHeard: () => readiness.heard(true),
    onError: program.onError('heartbeat'),
  }
}

await runMain({ name: 'agent', readConfig: agentConfig, metrics, run: agent })
