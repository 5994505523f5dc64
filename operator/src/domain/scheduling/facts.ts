// What the engine knows: facts about providers, nodes and jobs, and what is booked.
// Units: GPUs, CPU in milli, memory and ephemeral storage in MiB. Facts are values: a new one replaces the old one of the same name.
import type { OwnerRules } from '../../api/owner-rules.ts'
import type { Reason } from './reasons.ts'
import type { Weight } from './weights.ts'

/** What a worker needs, what a node has, what is free on it. */
export interface Room {
  /** Whole ones, or a part of one: 0.5. Never 1.5. */
  readonly gpus: number
  readonly cpuMilli: number
  readonly memoryMiB: number
  /** Ephemeral storage. */
  readonly storageMiB: number
}

export interface Taint {
  readonly key: string
  readonly value?: string | undefined
  readonly effect: string
}

/** As in a pod: no key tolerates every key, no effect every effect; the default operator is Equal. */
export interface Toleration {
  readonly key?: string | undefined
  readonly operator?: string | undefined
  readonly value?: string | undefined
  readonly effect?: string | undefined
}

export interface ProviderFact {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** What is known of what it claims; absent: nothing. */
  readonly trust?: 'Unverified' | 'Verified' | undefined
  readonly state: 'Connected' | 'Disconnected' | 'Cordoned' | 'NotReady' | 'OutsideHours'
  /** Of its owner. Which jobs they keep away is said in the facts of those. */
  readonly rules?: OwnerRules | undefined
  /** The taint keys that the owner lets jobs tolerate; absent: any. */
  readonly tolerates?: readonly string[] | undefined
  /** Model → millionths of a currency unit; a model without a price costs nothing. */
  readonly pricesPerGpuHour?: Readonly<Record<string, number>> | undefined
  /** The part of the runs there that were lost by its doing, from 0 to 1; absent: none. */
  readonly lostShare?: number | undefined
}

export interface NodeFact {
  readonly provider: string
  readonly name: string
  readonly model: string
  /** The nominal size of one GPU. */
  readonly gpuMemoryMiB: number
  /** Healthy and offered, before anyone's use. */
  readonly gpus: number
  /** Allocatable, before anyone's use. */
  readonly cpuMilli: number
  readonly memoryMiB: number
  readonly storageMiB: number
  /** Pods that are not ours; our own use is the sum of the bookings. */
  readonly usedByOthers: Room
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly Taint[]
  /** In how many equal parts each GPU may be shared; absent: whole GPUs only. */
  readonly slices?: number | undefined
  /** How many parts one worker can have; absent: as many as it asks for. Device plugins hand out two parts of two GPUs. */
  readonly slicesPerWorker?: number | undefined
  /** The domains that it lies in, as the provider names them, and of that provider only. */
  readonly topology?: { readonly rack?: string | undefined; readonly zone?: string | undefined } | undefined
  /** Why the owner or the hub keeps this node back, as one word; absent: it is offered. */
  readonly withheld?: string | undefined
}

export interface JobFact {
  readonly uid: string
  /** namespace/name */
  readonly key: string
  /** The run to be placed: 1, 2, 3 … */
  readonly run: number
  readonly priority: number
  readonly createdMs: number
  readonly workers: number
  readonly perWorker: Room
  /** Canonical names, in any order; empty: any model. */
  readonly models: readonly string[]
  readonly gpuMemoryMiB?: number | undefined
  readonly providerSelector: Readonly<Record<string, string>>
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: readonly Toleration[]
  readonly excludedProviders: readonly string[]
  /** Providers whose owner does not let it run there, and by which rule; absent: none. */
  readonly refusedBy?: Readonly<Record<string, Reason>> | undefined
  /** provider/node, where this job failed before. */
  readonly avoidNodes?: readonly string[] | undefined
  /** The most per GPU and hour, in millionths of a currency unit. */
  readonly maxPrice?: number | undefined
  /** The GpuQueue that it stands in, as the hub has resolved it; absent: `default`. */
  readonly queue?: string | undefined
  /** What its provider has to be at least; absent: anything. */
  readonly trust?: ProviderFact['trust']
  /** Where its workers have to be, or better are, together. */
  readonly topology?: Topology | undefined
  /** Declared by the tenant; absent: unknown. */
  readonly maxRuntimeMs?: number | undefined
  /** The provider where it ran last; absent: it never ran. */
  readonly ranAt?: string | undefined
}

export interface Topology {
  readonly within: 'Node' | 'Rack' | 'Zone'
  readonly rule: 'Required' | 'Preferred'
}

/** GPUs promised to one run. It may name nodes and providers that are not known (yet). */
export interface Booking {
  readonly uid: string
  readonly run: number
  readonly provider: string
  readonly nodes: readonly NodeShare[]
  readonly perWorker: Room
  /** Whose quota it takes; absent: `default`. */
  readonly queue?: string | undefined
  /** Absent, as the times below, in what nobody may preempt. */
  readonly priority?: number | undefined
  /** Of its GPUs; absent: it counts for quota of any model alone. */
  readonly model?: string | undefined
  /** When it began to run; absent: not yet. */
  readonly startedMs?: number | undefined
  /** When it ends at the latest, by its declared maximum runtime. */
  readonly endsMs?: number | undefined
  /** Its last checkpoint. */
  readonly checkpointMs?: number | undefined
  /** When it was told to stop: its room comes without anybody's further loss. */
  readonly endingMs?: number | undefined
  /** Runs that have to end first. */
  readonly preempts?: readonly RunId[] | undefined
}

/** What a run has of one node. */
export interface NodeShare {
  readonly name: string
  readonly workers: number
  /** GPUs that it has, or has a part of, counted from 0; where nobody says which, absent. A worker with a part has one. */
  readonly gpus?: readonly number[] | undefined
}

/** One run of one job. */
export interface RunId {
  readonly uid: string
  readonly run: number
}

/** A booking that the engine made itself: run `run` of job `key` shall start there. */
export type Choice = Booking & { readonly key: string }

/** What a queue has of one model. */
export interface Quota {
  /** GPUs that are its own whenever it wants them. */
  readonly guaranteed: number
  /** What it may take beyond its own, of what others lend; absent: all there is. */
  readonly borrowLimit?: number | undefined
  /** What others may take of its own while it stands idle; absent: all. */
  readonly lendLimit?: number | undefined
}

/** A GpuQueue: who shares what. */
export interface QueueFact {
  readonly name: string
  /** Absent: a root of the tree. */
  readonly parent?: string | undefined
  /** Beside its siblings; 0: gets only what no other wants. */
  readonly weight: number
  /** By model, '*' for GPUs of any model; a placement on a model counts for both. Empty: as much as its parent has. */
  readonly quota: Readonly<Record<string, Quota>>
  /** The most runs of it, and of the queues below it, at a time. */
  readonly maxRunning?: number | undefined
  readonly preemption: {
    readonly withinQueue: 'Never' | 'LowerPriority'
    readonly reclaim: 'Never' | 'LowerPriority' | 'Any'
    /** How long a run is left alone. */
    readonly minRuntimeMs: number
  }
}

/** What a queue has used, decayed: it has to survive a restart. */
export interface QueueUsage {
  readonly name: string
  /** The moving average of its dominant share, from 0 to 1. */
  readonly share: number
  /** When that was so. */
  readonly atMs: number
}

/** What workers of one size were asked for when what is free was last priced: see `demand.ts`. */
export interface DemandFact {
  /** Of each worker. */
  readonly gpus: number
  readonly workers: number
  /** Of all of them. */
  readonly cpuMilli: number
  /** Squares of milli CPU per GPU, over a thousand; for each of their GPUs. */
  readonly squares: number
}

/** How a queue stands, with all queues below it. */
export interface QueueState {
  readonly name: string
  readonly parent?: string | undefined
  /** Only an active queue takes new jobs: the others have a ring above them, or a parent that nobody knows. */
  readonly state: 'Active' | 'Cycle' | 'ParentMissing'
  /** GPUs that are booked, by model. */
  readonly usage: Readonly<Record<string, number>>
  /** Of the federation's GPUs, CPU and memory, the one of which it has most; from 0 to 1. */
  readonly share: number
  readonly averageShare: number
  /** The share that is its own by weight, beside the siblings that have or want something. */
  readonly fairShare: number
  /** Jobs that wait, by priority. */
  readonly pending: Readonly<Record<string, number>>
  /** Runs that are booked. */
  readonly running: number
  /** GPUs beyond its own, by model. */
  readonly borrowed: Readonly<Record<string, number>>
  /** GPUs of its own that others have, by model. */
  readonly lent: Readonly<Record<string, number>>
}

/** Why a job waits. A node counts once, under the first filter that it failed. */
export interface Explanation {
  /** NeverFits: it would not fit either if every known node that is not withheld were empty and its provider connected. */
  readonly verdict: 'NeverFits' | 'Waits'
  /** Most frequent first. Empty where the job fits and has only not been decided yet. */
  readonly reasons: readonly { readonly reason: Reason; readonly count: number }[]
}

/** All that the engine knows, sorted by name: enough to build an equal engine of it. */
export interface EngineSnapshot {
  readonly providers: readonly ProviderFact[]
  readonly nodes: readonly NodeFact[]
  readonly waiting: readonly JobFact[]
  readonly bookings: readonly Booking[]
  readonly queues: readonly QueueFact[]
  readonly usages: readonly QueueUsage[]
  readonly weights: readonly Weight[]
  readonly demand: readonly DemandFact[]
}
