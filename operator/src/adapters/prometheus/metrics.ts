// Every metric that hub and agent export, with its meaning; dashboards and alerts refer to these names.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { GpuJob } from '../../api/gpujob.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import type { Provider } from '../../api/provider.ts'
import type { Pass, WorkQueue } from '../../controllers/work-queue.ts'
import type { QueueState } from '../../domain/scheduling/facts.ts'
import type { Transition } from '../kubernetes/status-writer.ts'

/** What both mains measure. */
export interface RuntimeMetrics {
  readonly registry: Registry
  readonly observePass: (pass: Pass) => void
  readonly observeQueues: (queues: readonly WorkQueue[]) => void
  /** An error that was logged; `where` is the part that met it. */
  readonly countError: (where: string) => void
}

export interface HubMetrics extends RuntimeMetrics {
  readonly countTransition: (transition: Transition) => void
  readonly countEvent: (outcome: 'written' | 'dropped' | 'failed') => void
  readonly observeScheduling: (pass: { decisions: number; seconds: number }) => void
  readonly setLeading: (leading: boolean) => void
  /** Asked at each scrape. */
  readonly gaugeJobs: (count: () => Iterable<readonly [state: string, jobs: number]>) => void
  readonly gaugeGpuQueues: (states: () => readonly QueueState[]) => void
  readonly gaugeProviders: (count: () => Iterable<readonly [connected: string, providers: number]>) => void
}

export interface AgentMetrics extends RuntimeMetrics {
  readonly countHeartbeat: () => void
  readonly setHolding: (holding: boolean) => void
  /** In what way the hub is not the one that is remembered; `undefined`: it is. */
  readonly setHubChanged: (change: string | undefined) => void
  /** Nodes that the hub does not take. */
  readonly setOverQuota: (nodes: number) => void
  readonly gaugeRuns: (count: () => Iterable<readonly [state: string, runs: number]>) => void
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

function runtimeMetrics(registry: Registry): RuntimeMetrics {
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const passes = new Histogram({
    name: 'gpucommons_reconcile_seconds',
    help: 'Length of one pass over one key, by controller and how it ended',
    labelNames: ['controller', 'outcome'] as const,
    buckets: seconds,
    registers,
  })
  const errors = new Counter({
    name: 'gpucommons_errors_total',
    help: 'Errors that were logged, by the part that met them',
    labelNames: ['where'] as const,
    registers,
  })
  return {
    registry,
    observePass: ({ name, outcome, seconds: took }) => passes.observe({ controller: name, outcome }, took),
    observeQueues: (queues) => {
      gaugeBy(
        registry,
        { name: 'gpucommons_queue_depth', help: 'Keys that wait for a pass', label: 'controller' },
        () => queues.map((queue) => [queue.name, queue.depth()] as const),
      )
    },
    countError: (where) => errors.inc({ where }),
  }
}

export function hubMetrics(registry = new Registry()): HubMetrics {
  const registers = [registry]
  const transitions = new Counter({
    name: 'gpucommons_condition_transitions_total',
    help: 'Conditions that changed their status or reason, as written by this hub',
    labelNames: ['kind', 'condition', 'status', 'reason'] as const,
    registers,
  })
  const events = new Counter({
    name: 'gpucommons_events_total',
    help: 'Events about what changed for the worse; dropped: too many about one object, or too many waiting',
    labelNames: ['outcome'] as const,
    registers,
  })
  const decisions = new Counter({
    name: 'gpucommons_placements_decided_total',
    help: 'Placements that the engine decided',
    registers,
  })
  const passes = new Histogram({
    name: 'gpucommons_scheduling_pass_seconds',
    help: 'Length of one pass of the engine over what waits',
    buckets: seconds,
    registers,
  })
  const leading = new Gauge({ name: 'gpucommons_leading', help: '1 while this hub holds the leader lease', registers })
  return {
    ...runtimeMetrics(registry),
    countTransition: ({ kind, condition: { type, status, reason } }) =>
      transitions.inc({ kind, condition: type, status, reason }),
    countEvent: (outcome) => events.inc({ outcome }),
    observeScheduling: ({ decisions: made, seconds: took }) => {
      decisions.inc(made)
      passes.observe(took)
    },
    setLeading: (leads) => leading.set(leads ? 1 : 0),
    gaugeGpuQueues: (states) => {
      const gauge = (name: string, help: string, of: (state: QueueState) => number) =>
        gaugeBy(registry, { name, help, label: 'queue' }, () => byQueue(states(), of))
      gauge('gpucommons_gpuqueue_gpus', 'GPUs that the jobs of a GpuQueue and of its parts hold', gpusOf)
      gauge('gpucommons_gpuqueue_waiting_jobs', 'GpuJobs that wait in a GpuQueue', ({ pending }) =>
        Object.values(pending).reduce((sum, jobs) => sum + jobs, 0),
      )
    },
    gaugeJobs: (count) =>
      gaugeBy(registry, { name: 'gpucommons_jobs', help: 'GpuJobs by state', label: 'state' }, count),
    gaugeProviders: (count) =>
      gaugeBy(
        registry,
        {
          name: 'gpucommons_providers',
          help: 'Providers by the status of their condition Connected',
          label: 'connected',
        },
        count,
      ),
  }
}

export function agentMetrics(registry = new Registry()): AgentMetrics {
  const registers = [registry]
  const heartbeats = new Counter({
    name: 'gpucommons_agent_heartbeats_total',
    help: 'Renewals of the Lease that the hub took',
    registers,
  })
  const holding = new Gauge({
    name: 'gpucommons_agent_holding',
    help: '1 while this agent holds the Lease of its provider',
    registers,
  })
  const changed = new Gauge({
    name: 'gpucommons_agent_hub_changed',
    help: '1 while the hub is not the one that this agent remembers, by what has changed',
    labelNames: ['change'] as const,
    registers,
  })
  const overQuota = new Gauge({
    name: 'gpucommons_agent_nodes_over_quota',
    help: 'GPU nodes of this cluster that the hub does not take, because its quota for this provider is full',
    registers,
  })
  return {
    ...runtimeMetrics(registry),
    countHeartbeat: () => heartbeats.inc(),
    setHolding: (holds) => holding.set(holds ? 1 : 0),
    setOverQuota: (nodes) => overQuota.set(nodes),
    setHubChanged: (change) => {
      changed.reset()
      if (change !== undefined) changed.set({ change }, 1)
    },
    gaugeRuns: (count) =>
      gaugeBy(
        registry,
        { name: 'gpucommons_agent_runs', help: 'GpuRuns of this provider by state', label: 'state' },
        count,
      ),
  }
}

/** A gauge that is counted when it is asked for. */
function gaugeBy(
  registry: Registry,
  { name, help, label }: { name: string; help: string; label: string },
  count: () => Iterable<readonly [string, number]>,
): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      gauge.reset()
      for (const [value, number] of count()) gauge.set({ [label]: value }, number)
    },
  })
}

/** A series for each of so many queues at the most; the others, by name the last, count as one. */
const mostQueues = 1000

function byQueue(states: readonly QueueState[], of: (state: QueueState) => number): Map<string, number> {
  const sorted = states.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const rest = sorted.slice(mostQueues)
  const named = sorted.slice(0, mostQueues).map((state) => [state.name, of(state)] as const)
  const others = rest.reduce((sum, state) => sum + of(state), 0)
  return new Map(rest.length > 0 ? [...named, ['(others)', others]] : named)
}

function gpusOf({ usage }: QueueState): number {
  return Object.values(usage).reduce((sum, gpus) => sum + gpus, 0)
}

export interface HubGauges {
  readonly jobs: () => Iterable<Pick<GpuJob, 'status'>>
  readonly providers: () => Iterable<Provider>
  readonly queues: () => readonly QueueState[]
}

/** The gauges of a hub that leads, counted from its caches when they are asked for. */
export function hubGauges(metrics: HubMetrics, { jobs, providers, queues }: HubGauges): void {
  metrics.gaugeGpuQueues(queues)
  const connected = ({ status }: Provider) =>
    status?.conditions.find(({ type }) => type === 'Connected')?.status ?? 'Unknown'
  metrics.gaugeJobs(() => countBy(jobs(), ({ status }) => status?.state ?? 'Waiting'))
  metrics.gaugeProviders(() => countBy(providers(), connected))
}

export function agentGauges(
  metrics: AgentMetrics,
  { queues, runs }: { queues: readonly WorkQueue[]; runs: () => Iterable<GpuRun> },
): void {
  metrics.observeQueues(queues)
  metrics.gaugeRuns(() => countBy(runs(), ({ status }) => status?.state ?? 'Ordered'))
}

function countBy<T>(items: Iterable<T>, kindOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(kindOf(item), (counts.get(kindOf(item)) ?? 0) + 1)
  return counts
}
