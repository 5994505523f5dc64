// What the engine knows, as a file: written by the hub, read strictly by who replays it. No Secret is in it, for the
// engine knows none.
import { z } from 'zod'
import type { DemandFact, EngineSnapshot, JobFact, NodeFact, ProviderFact } from '../domain/scheduling/facts.ts'
import { mostGpus } from '../domain/scheduling/filters.ts'
import type { Reason } from '../domain/scheduling/reasons.ts'
import { defaultWeights, SCORE_NAMES } from '../domain/scheduling/weights.ts'

/** Grows when a reader of the version before would misunderstand what is written. */
export const SNAPSHOT_VERSION = 1
const KIND = 'GpuCommonsSnapshot'

export interface SnapshotFile {
  readonly kind: typeof KIND
  readonly version: number
  /** RFC 3339, by the hub's wall clock. */
  readonly takenAt: string
  readonly snapshot: EngineSnapshot
}

const word = z.string().max(317)
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
const wallMs = z.number().min(-8.64e15).max(8.64e15)
const words = z.array(word).max(4096)
const labels = z.record(word, z.string().max(256))
const room = z.strictObject({ gpus: amount, cpuMilli: amount, memoryMiB: amount, storageMiB: amount })
const reason = z.custom<Reason>((value) => typeof value === 'string' && value.length <= 128, 'is no reason')
const uid = z.string().min(1).max(128)
const run = z.int().min(1)

/** A fact that gets another field is no such thing any more until the field stands here too. */
type Fields<Fact> = { readonly [Name in keyof Required<Fact>]: z.ZodType }

const trust = z.enum(['Unverified', 'Verified'])

const provider = z.strictObject({
  name: word,
  labels,
  state: z.enum(['Connected', 'Disconnected', 'Cordoned', 'NotReady', 'OutsideHours']),
  /** Which jobs they keep away stands in the facts of those; they are here for advice. */
  rules: z.custom<NonNullable<EngineSnapshot['providers'][number]['rules']>>(isObject, 'is no object').optional(),
  tolerates: words.optional(),
  trust: trust.optional(),
  pricesPerGpuHour: z.record(word, amount).optional(),
  lostShare: z.number().min(0).max(1).optional(),
} satisfies Fields<ProviderFact>)

const taint = z.strictObject({ key: word, value: word.optional(), effect: word })

const node = z.strictObject({
  provider: word,
  name: word,
  model: word,
  gpuMemoryMiB: amount,
  gpus: amount,
  cpuMilli: amount,
  memoryMiB: amount,
  storageMiB: amount,
  usedByOthers: room,
  slices: amount.optional(),
  slicesPerWorker: amount.optional(),
  labels,
  taints: z.array(taint).max(1024),
  topology: z.strictObject({ rack: word.optional(), zone: word.optional() }).optional(),
  withheld: z.string().max(128).optional(),
} satisfies Fields<NodeFact>)

const toleration = z.strictObject({
  key: word.optional(),
  operator: word.optional(),
  value: word.optional(),
  effect: word.optional(),
  tolerationSeconds: z.number().optional(),
})

const job = z.strictObject({
  uid,
  key: word,
  run,
  priority: z.int(),
  createdMs: wallMs,
  queue: word.optional(),
  workers: z.int().min(1).max(1024),
  perWorker: room,
  models: words,
  gpuMemoryMiB: amount.optional(),
  providerSelector: labels,
  nodeSelector: labels,
  tolerations: z.array(toleration).max(1024),
  excludedProviders: words,
  refusedBy: z.record(word, reason).optional(),
  avoidNodes: z.array(z.string().max(512)).max(4096).optional(),
  maxPrice: amount.optional(),
  trust: trust.optional(),
  topology: z
    .strictObject({ within: z.enum(['Node', 'Rack', 'Zone']), rule: z.enum(['Required', 'Preferred']) })
    .optional(),
  maxRuntimeMs: amount.optional(),
  ranAt: word.optional(),
} satisfies Fields<JobFact>)

/** Counted from 0. */
const gpu = z
  .int()
  .min(0)
  .max(mostGpus - 1)

const booking = z.strictObject({
  uid,
  run,
  key: word.optional(),
  provider: word,
  nodes: z
    .array(z.strictObject({ name: word, workers: z.int().min(1), gpus: z.array(gpu).max(1024).optional() }))
    .max(1024),
  perWorker: room,
  queue: word.optional(),
  priority: z.int().optional(),
  model: word.optional(),
  startedMs: wallMs.optional(),
  endsMs: wallMs.optional(),
  endingMs: wallMs.optional(),
  checkpointMs: wallMs.optional(),
  preempts: z.array(z.strictObject({ uid, run })).max(100_000).optional(),
})

const quota = z.strictObject({ guaranteed: amount, borrowLimit: amount.optional(), lendLimit: amount.optional() })

const queue = z.strictObject({
  name: word,
  parent: word.optional(),
  weight: amount,
  quota: z.record(word, quota),
  maxRunning: amount.optional(),
  preemption: z.strictObject({
    withinQueue: z.enum(['Never', 'LowerPriority']),
    reclaim: z.enum(['Never', 'LowerPriority', 'Any']),
    minRuntimeMs: amount,
  }),
})

const usage = z.strictObject({ name: word, share: z.number().min(0).max(1), atMs: wallMs })

const weight = z.strictObject({ name: z.enum(SCORE_NAMES), weight: amount })

const demand = z.strictObject({
  gpus: amount,
  workers: amount,
  cpuMilli: amount,
  squares: amount,
} satisfies Fields<DemandFact>)

const most = 2_000_000

const fileSchema = z.strictObject({
  kind: z.literal(KIND),
  version: z.literal(SNAPSHOT_VERSION),
  takenAt: z.iso.datetime(),
  snapshot: z.strictObject({
    providers: z.array(provider).max(most),
    nodes: z.array(node).max(most),
    waiting: z.array(job).max(most),
    bookings: z.array(booking).max(most),
    queues: z.array(queue).max(most),
    usages: z.array(usage).max(most),
    weights: z
      .array(weight)
      .max(SCORE_NAMES.length)
      // One of a version that knew fewer.
      .transform((known) => defaultWeights.map((usual) => known.find(({ name }) => name === usual.name) ?? usual))
      .default([...defaultWeights]),
    demand: z.array(demand).max(most).default([]),
  }),
})

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** So many items are written at once; in between others get their turn. */
const itemsAtOnce = 500

/** The file in pieces, so that nobody has to hold all of it. */
export function* snapshotPieces(snapshot: EngineSnapshot, takenAt: string): Generator<string, void> {
  const { kind, version } = { kind: KIND, version: SNAPSHOT_VERSION }
  yield `${JSON.stringify({ kind, version, takenAt }).slice(0, -1)},"snapshot":{`
  for (const [i, [name, items]] of Object.entries(snapshot).entries()) {
    yield `${i === 0 ? '' : ','}\n"${name}":[`
    for (let at = 0; at < items.length; at += itemsAtOnce) {
      const some = items.slice(at, at + itemsAtOnce).map((item: unknown) => `\n${JSON.stringify(item)}`)
      yield `${at === 0 ? '' : ','}${some.join()}`
    }
    yield ']'
  }
  yield '}}\n'
}

/** Throws with the name of the field that is wrong. */
export function readSnapshot(text: string): SnapshotFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is no JSON: ${(error as Error).message}`, { cause: error })
  }
  const { kind, version } = isObject(value) ? (value as { kind?: unknown; version?: unknown }) : {}
  if (kind !== KIND) throw new Error(`kind is not ${KIND}: it was not written by kubectl gpu snapshot`)
  if (version !== SNAPSHOT_VERSION) {
    throw new Error(
      `version is ${JSON.stringify(version)}, and this kubectl-gpu reads ${SNAPSHOT_VERSION}: use the one of that hub`,
    )
  }
  const checked = fileSchema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const path = (issue?.path ?? []).map((one) => (typeof one === 'number' ? `[${one}]` : `.${String(one)}`)).join('')
  throw new Error(`${path.slice(1)}: ${issue?.message}`)
}
