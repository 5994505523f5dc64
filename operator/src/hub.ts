// The hub operator: node operator/src/hub.ts --kubeconfig F --http-address 127.0.0.1:8080
import { serveHttp } from './adapters/http/server.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { hubCaches, runsOf } from './adapters/kubernetes/hub/caches.ts'
import { gpuJobPorts } from './adapters/kubernetes/hub/gpujob-ports.ts'
import { hubIdentity } from './adapters/kubernetes/hub/identity.ts'
import { providerPorts } from './adapters/kubernetes/hub/provider-ports.ts'
import { tombstonePorts } from './adapters/kubernetes/hub/tombstone-ports.ts'
import { wireHub } from './adapters/kubernetes/hub/wiring.ts'
import { elect } from './adapters/kubernetes/leader-election.ts'
import { statusWriter } from './adapters/kubernetes/status-writer.ts'
import { logger } from './adapters/log.ts'
import { countBy, hubMetrics } from './adapters/prometheus/metrics.ts'
import { runMain } from './adapters/run-main.ts'
import { systemClock, systemTimers as timers } from './adapters/system-clock.ts'
import { type HubConfig, hubConfig, inCluster } from './config.ts'
import { gpuJobReconciler } from './controllers/hub/gpujob.ts'
import { providerReconciler } from './controllers/hub/provider.ts'
import { schedulingLoop } from './controllers/hub/scheduling.ts'
import { tombstoneReconciler } from './controllers/hub/tombstones.ts'
import { type Reconcile, workQueue } from './controllers/work-queue.ts'
import { createEngine } from './domain/scheduling/engine.ts'

async function hub(
  config: HubConfig,
  { signal, stop }: { signal: AbortSignal; stop: (why: Error) => void },
): Promise<void> {
  const log = logger('hub', config.logLevel)
  const clock = systemClock()
  const random = Math.random
  const metrics = hubMetrics()
  const onError = (where: string) => (error: unknown, key?: string) => {
    metrics.countError(where)
    log.error({ err: error, where, ...(key === undefined ? {} : { key }) }, `${where} failed and tries again`)
  }

  let waitsFor: string | undefined = 'the API server of the hub'
  await using http = await serveHttp({ ...config.http, registry: metrics.registry, notReady: () => waitsFor })
  log.info({ address: http.address }, 'serving /metrics, /healthz and /readyz')

  const where = config.kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig: config.kubeconfig }
  // The election writes its lease before anything is held, so it has a client of its own.
  await using electionClient = await connect({ ...where, userAgent: 'gpu-commons-hub/election' })
  const hubUid = await hubIdentity(electionClient, config.namespace)
  const lease = { namespace: config.namespace, name: 'gpu-commons-hub' }
  const leadership = elect({
    client: electionClient,
    lease,
    identity: config.identity,
    clock,
    timers,
    random,
    signal,
    onLost: stop,
    onError: onError('election'),
  })
  await using client = await connect({ ...where, userAgent: 'gpu-commons-hub', beforeWrite: leadership.assertHeld })

  const context = { client, clock, timers, random, signal, onError: onError('watch') }
  const caches = hubCaches(context)
  await caches.synced
  waitsFor = undefined
  log.info(
    { jobs: caches.jobs.size, runs: caches.runs.size, nodes: caches.nodes.size, identity: config.identity },
    'caches are filled; waits to lead',
  )
  await leadership.acquired
  metrics.setLeading(true)
  log.info({ lease: lease.name }, 'leads')

  const statuses = statusWriter(client, ({ kind, object, condition: { type, status, reason, message } }) => {
    metrics.countTransition({ kind, condition: type, status, reason })
    log.debug(
      { kind, namespace: object.namespace, name: object.name, type, status, reason, message },
      'condition changed',
    )
  })
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

  const scheduling = schedulingLoop(createEngine(), {
    jobOf: (uid) => caches.jobs.by('uid', uid)[0],
    runsOf: (uid) => runsOf(caches, uid),
    wake: (key) => queues.jobs.add(key),
    clock,
    timers,
    observe: metrics.observeScheduling,
  })
  const world = { client, context, caches, scheduling, statuses, hubUid, clock, now: clock.now, ...config }
  const queues = {
    jobs: queue('gpujob', gpuJobReconciler(gpuJobPorts(world)), 32),
    tombstones: queue('tombstone', tombstoneReconciler(tombstonePorts(world)), 8),
    providers: queue(
      'provider',
      providerReconciler(
        providerPorts({
          ...world,
          suspectAfterMs: config.suspectAfterSeconds * 1000,
          wake: (name) => queues.providers.add(name),
        }),
      ),
      4,
    ),
  }
  metrics.observeQueues(Object.values(queues))
  metrics.gaugeJobs(() => countBy(caches.jobs.values(), ({ status }) => status?.state ?? 'Waiting'))
  metrics.gaugeProviders(() =>
    countBy(
      caches.providers.values(),
      ({ status }) => status?.conditions.find(({ type }) => type === 'Connected')?.status ?? 'Unknown',
    ),
  )

  wireHub(caches, queues, scheduling)
  scheduling.begin()
  await Promise.all(Object.values(queues).map((one) => one.run(signal)))
  await leadership.done
}

await runMain(hubConfig, hub)
