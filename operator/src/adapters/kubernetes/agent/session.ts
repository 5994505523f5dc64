// A time in which the agent obeys its hub: from the lists to the last pass. What it learnt in it is dropped afterwards.
import { randomUUID } from 'node:crypto'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import type { ProviderReportSpec } from '../../../api/providerreport.ts'
import type { HubTrust } from '../../../controllers/agent/hub-trust.ts'
import { type Leaving, tellWhenLeft } from '../../../controllers/agent/leaving.ts'
import { nodeClaimReconciler } from '../../../controllers/agent/node-claims.ts'
import type { Opening } from '../../../controllers/agent/opening.ts'
import { orphanReconciler } from '../../../controllers/agent/orphans.ts'
import { runReconciler } from '../../../controllers/agent/run.ts'
import { pause } from '../../../controllers/clock.ts'
import type { WorkQueue } from '../../../controllers/work-queue.ts'
import { outcomeOf } from '../../../domain/lifecycle/gpurun.ts'
import { WorkerRecords } from '../../../domain/lifecycle/worker-records.ts'
import type { Surroundings } from '../../../domain/workload/tenant-walls.ts'
import type { Program } from '../../run-main.ts'
import type { KubeClient } from '../client.ts'
import { type AgentCaches, agentCaches } from './caches.ts'
import { probeIsolation } from './isolation-probe.ts'
import { nodeClaimPorts } from './node-claim-ports.ts'
import { nodeWatch } from './node-watch.ts'
import { type OrphanWorld, orphanPorts } from './orphan-ports.ts'
import { runPorts } from './run-ports.ts'
import { kubernetesVersion, report } from './start-up.ts'
import { wireAgent } from './wiring.ts'

export interface Obeying extends Pick<OrphanWorld, 'vouched' | 'orphanAfterSeconds'> {
  readonly program: Program
  readonly hub: KubeClient
  readonly provider: KubeClient
  readonly providerName: string
  readonly agentVersion: string
  readonly hubUid: string
  /** The agent's own on the hub. */
  readonly namespace: string
  /** Aborts when the hub is no longer trusted, or the agent is to end. */
  readonly signal: AbortSignal
  readonly onSetBack: () => void
  readonly surroundings: () => Promise<Surroundings>
  /** With which it is tried whether the network enforces policies. */
  readonly probeImage: string | undefined
  readonly leaving: Leaving
  readonly opening: Opening
  readonly rules: OwnerRules
  /** The key of the label that says in which rack a node is. */
  readonly rackLabel: string
  readonly tellLeft: (question: string) => Promise<void>
  /** Hears how many nodes the hub does not take, when that changes. */
  readonly onOverQuota: (nodes: number) => void
  /** What is known is complete, and work begins. */
  readonly onFilled: (filled: Filled) => void
}

export interface Filled {
  readonly queues: readonly WorkQueue[]
  readonly runs: AgentCaches['runs']
}

export interface Trusting extends Omit<Obeying, 'hubUid'> {
  readonly trust: HubTrust
  readonly onOver: () => void
}

/** One time of trust after the other, each with nothing that was learnt in another one; until the signal. */
export async function obeyWhileTrusted({ trust, signal, onOver, ...place }: Trusting): Promise<void> {
  for (let session = await trust.session(signal); session; session = await trust.session(signal)) {
    place.program.log.info({ hubUid: session.hubUid }, 'obeys this hub')
    try {
      await obey({ ...place, ...session })
    } catch (error) {
      if (!session.signal.aborted) throw error
    }
    onOver()
  }
}

interface Trying extends Pick<Program, 'timers'> {
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

const againMs = 1000
const leftLookMs = 1000

/** API servers that start refuse and break off: an agent that ended for that would leave its provider without one. */
async function untilDone<T>({ timers, signal, onError }: Trying, act: () => Promise<T>): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await act()
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    await pause(againMs, { timers, signal })
  }
}

function tellReport({ program, hub, provider, namespace, signal, ...place }: Obeying): Promise<ProviderReportSpec> {
  const { agentVersion, rules, opening } = place
  return untilDone({ ...program, signal, onError: program.onError('report to the hub') }, async () => {
    const intake = opening.isOpen ? 'Open' : 'OutsideHours'
    return report(hub, namespace, { agentVersion, kubernetesVersion: await kubernetesVersion(provider), rules, intake })
  })
}

/** Resolves when the last pass has ended. */
async function obey(place: Obeying): Promise<void> {
  const { program, hub, provider, hubUid, namespace, signal, onSetBack, onFilled, leaving, opening } = place
  const { clock, queue, onError } = program
  const reported = await tellReport(place)
  const context = { ...program, signal }
  const caches = agentCaches({
    hub: { ...context, client: hub, onError: onError('watch of the hub'), onSetBack },
    provider: { ...context, client: provider, onError: onError('watch of the provider') },
    hubUid,
    namespace,
  })
  await caches.synced

  const records = new WorkerRecords()
  const node = nodeWatch(caches.nodes, clock.boot)
  const world = { ...program, ...place, caches, records, node, nonce: randomUUID }
  const queues = {
    runs: queue('run', runReconciler(runPorts(world)), 32),
    nodes: queue('node-claim', nodeClaimReconciler(nodeClaimPorts(world)), 4),
    orphans: queue('orphan', orphanReconciler(orphanPorts(world)), 16),
  }
  onFilled({ queues: Object.values(queues), runs: caches.runs })
  wireAgent(caches, { queues, records, boot: clock.boot, leaving, opening, signal })
  opening.subscribe(() => void tellReport(place).catch(onError('report to the hub')), signal)
  const telling = tellWhenLeft(
    {
      ...program,
      leaving,
      isLeft: () => caches.claims.size === 0 && [...caches.runs.values()].every((run) => outcomeOf(run) !== undefined),
      tell: place.tellLeft,
      lookMs: leftLookMs,
      onError: onError('telling that the cluster has left'),
    },
    signal,
  )
  const probing = probeIsolation(world, reported.networkIsolation).catch((error: unknown) => {
    if (!signal.aborted) onError('looking whether the network enforces policies')(error)
  })
  await Promise.all([...Object.values(queues).map((one) => one.run(signal)), telling, probing])
}
