// The hub operator: node operator/src/hub.ts --kubeconfig F --http-address 127.0.0.1:8080
import { connect } from './adapters/kubernetes/connect.ts'
import { eventRecorder } from './adapters/kubernetes/events.ts'
import { type HubCaches, hubCaches } from './adapters/kubernetes/hub/caches.ts'
import { type HubControllers, hubControllers } from './adapters/kubernetes/hub/controllers.ts'
import { guardIdentity, hubIdentity } from './adapters/kubernetes/hub/identity.ts'
import { HUB_LEASE } from './adapters/kubernetes/hub/rights.ts'
import { snapshotSource } from './adapters/kubernetes/hub/snapshot-source.ts'
import { wireAbsence } from './adapters/kubernetes/hub/wiring.ts'
import { elect } from './adapters/kubernetes/leader-election.ts'
import { ownedByUs } from './adapters/kubernetes/own-rights.ts'
import { statusWriter, telling } from './adapters/kubernetes/status-writer.ts'
import { hubGauges, hubMetrics } from './adapters/prometheus/metrics.ts'
import { type Program, runMain } from './adapters/run-main.ts'
import { type HubConfig, hubConfig, inCluster } from './config.ts'

const metrics = hubMetrics()

async function hub(config: HubConfig, program: Program): Promise<void> {
  const { log, clock, timers, signal, onError } = program
  const where = config.kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig: config.kubeconfig }
  // The election writes its lease before anything is held, so it has a client of its own.
  await using electing = await connect({ ...where, userAgent: 'gpu-commons-hub/election' })
  const identity = await hubIdentity(electing, config.namespace, { timers, signal, onWait: program.waitsFor })
  const leading = new AbortController()
  const giveUp = () => leading.abort(signal.reason)
  signal.addEventListener('abort', giveUp, { once: true })
  const leadership = elect({
    ...program,
    signal: leading.signal,
    client: electing,
    lease: { namespace: config.namespace, name: HUB_LEASE },
    owned: () => ownedByUs(electing, config.namespace),
    identity: config.identity,
    onLost: program.stop,
    onError: onError('election'),
  })
  const guarded = { beforeWrite: leadership.assertHeld, giveUp: program.late }
  await using client = await connect({ ...where, userAgent: 'gpu-commons-hub', ...guarded })

  const context = { ...program, client, onError: onError('watch'), onSetBack: program.stop }
  const caches = hubCaches(context, identity)
  void guardIdentity({ ...program, client: electing, identity, onChanged: program.stop, onError: onError('identity') })
  program.waitsFor('the lists of jobs, runs, queues, providers and nodes')
  await caches.begun
  // A hub that stands by is ready: it takes over at once.
  program.waitsFor(undefined)
  await leadership.acquired
  // From now on the lease is given back only when the last write is done.
  signal.removeEventListener('abort', giveUp)
  metrics.setLeading(true)
  log.info(
    { lease: HUB_LEASE, holder: config.identity, ...identity, jobs: caches.jobs.size, runs: caches.runs.size },
    'leads',
  )

  const recorder = eventRecorder({
    client,
    clock,
    component: 'gpu-commons-hub',
    instance: config.identity,
    onError: onError('event'),
    observe: metrics.countEvent,
  })
  const statuses = statusWriter(client, telling(recorder, metrics.countTransition))
  const { queues, scheduling, engine } = hubControllers({
    ...program,
    ...config,
    client,
    context,
    caches,
    identity,
    recorder,
    statuses,
    observeScheduling: metrics.observeScheduling,
  })
  program.show(snapshotSource(client, { engine, clock }))
  metrics.observeQueues(Object.values(queues))
  const { tombstones, ...fromNow } = queues
  const running = Object.values(fromNow).map((one) => one.run(signal))
  await Promise.all([...running, onceAllIsRead(caches, { program, queues, scheduling })])
  await recorder.flushed()
  giveUp()
  await leadership.done
}

/** What needs to know all that is stored: counting it, and noticing what is not there. */
async function onceAllIsRead(
  caches: HubCaches,
  {
    program: { log, signal },
    queues,
    scheduling,
  }: Pick<HubControllers, 'queues' | 'scheduling'> & { readonly program: Program },
): Promise<void> {
  try {
    await caches.synced
  } catch (error) {
    if (signal.aborted) return
    throw error
  }
  const { jobs, runs, providers } = caches
  log.info({ jobs: jobs.size, runs: runs.size }, 'has read all that is stored')
  hubGauges(metrics, {
    jobs: () => jobs.values(),
    providers: () => providers.values(),
    queues: () => [...scheduling.queues().values()],
  })
  wireAbsence(caches, { queues })
  await queues.tombstones.run(signal)
}

await runMain({ name: 'hub', readConfig: hubConfig, metrics, run: hub })
