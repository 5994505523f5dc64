// The controllers of a hub that leads, each on its ports.
import type { Clock, Timers } from '../../../controllers/clock.ts'
import { gpuJobReconciler } from '../../../controllers/hub/gpujob.ts'
import { inviteReconciler } from '../../../controllers/hub/invites.ts'
import { joinReconciler } from '../../../controllers/hub/joining.ts'
import { jobsAtOnce } from '../../../controllers/hub/pace.ts'
import { believeWhatWasSaid, providerReconciler } from '../../../controllers/hub/provider.ts'
import { queueReconciler } from '../../../controllers/hub/queues.ts'
import { type Scheduling, type SchedulingPorts, schedulingLoop } from '../../../controllers/hub/scheduling.ts'
import { tombstoneReconciler } from '../../../controllers/hub/tombstones.ts'
import type { Reconcile, WorkQueue } from '../../../controllers/work-queue.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import { countLosses } from '../../../domain/lifecycle/losses.ts'
import { createEngine, type Engine } from '../../../domain/scheduling/engine.ts'
import type { Weight } from '../../../domain/scheduling/weights.ts'
import type { KubeClient } from '../client.ts'
import type { Recorder } from '../events.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import type { StatusWriter } from '../status-writer.ts'
import { type HubCaches, runsOf } from './caches.ts'
import { gpuJobPorts } from './gpujob-ports.ts'
import type { HubIdentity } from './identity.ts'
import { invitePorts, joiningPorts } from './join-ports.ts'
import { providerPorts } from './provider-ports.ts'
import { queuePorts } from './queue-ports.ts'
import { tombstonePorts } from './tombstone-ports.ts'
import { type HubQueues, wireHub } from './wiring.ts'

export interface HubWorld {
  readonly client: KubeClient
  readonly context: ReflectorContext
  /** They have begun. */
  readonly caches: HubCaches
  readonly identity: HubIdentity
  readonly clock: Clock
  readonly timers: Timers
  readonly recorder: Pick<Recorder, 'record'>
  readonly statuses: StatusWriter
  readonly queue: (name: string, reconcile: Reconcile, concurrency: number) => WorkQueue
  readonly observeScheduling: SchedulingPorts['observe']
  /** The hub's own. */
  readonly namespace: string
  readonly suspectAfterSeconds: number
  readonly tombstoneSeconds: number
  readonly weights: readonly Weight[]
}

export interface HubControllers {
  /** They wait to be run; that of the tombstones until all is read. */
  readonly queues: HubQueues
  readonly scheduling: Scheduling
  /** For those who ask what it knows. */
  readonly engine: Pick<Engine, 'snapshot'>
}

export function hubControllers(hub: HubWorld): HubControllers {
  const { caches, clock, timers, queue, identity } = hub
  const engine = createEngine({ weights: hub.weights })
  const losses = countLosses()
  const scheduling = schedulingLoop(engine, {
    jobOf: (uid) => caches.jobs.by('uid', uid)[0],
    runsOf: (uid) => runsOf(caches, uid),
    modelOf: (provider, node) => caches.nodes.get(`${providerNamespace(provider)}/${node}`)?.spec.devices[0]?.model,
    wake: (key, when) => queues.jobs.add(key, when),
    clock,
    timers,
    observe: hub.observeScheduling,
  })
  const world = { ...hub, scheduling, engine, losses, now: clock.now }
  const ofProviders = providerPorts({ ...world, wake: (name) => queues.providers.add(name) })
  const queues: HubQueues = {
    jobs: queue('gpujob', gpuJobReconciler(gpuJobPorts(world)), jobsAtOnce),
    providers: queue('provider', providerReconciler(ofProviders), 4),
    tombstones: queue('tombstone', tombstoneReconciler(tombstonePorts(world)), 8),
    joins: queue('join', joinReconciler(joiningPorts(world)), 4),
    invites: queue('invite', inviteReconciler(invitePorts(world)), 1),
    gpuQueues: queue('gpuqueue', queueReconciler(queuePorts(world)), 4),
  }
  wireHub(caches, { queues, scheduling, losses, identity })
  believeWhatWasSaid(ofProviders, caches.providers.keys())
  scheduling.begin()
  return { queues, scheduling, engine }
}
