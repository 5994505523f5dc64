// What would place a job that waits, provider by provider. Each piece of advice was tried on what the engine knows
// before it is given. Costs a pass over the nodes and some thousand tries at the most: for those who ask.
import { bookingKey } from './bookings.ts'
import { type Capacity, createCapacity } from './capacity.ts'
import { type Change, costOf, followed } from './changes.ts'
import { explainWait, unknown } from './explain.ts'
import type { Booking, Explanation, JobFact, ProviderFact } from './facts.ts'
import { stateFilters } from './filters.ts'
import { isKept } from './keeping.ts'
import { obstaclesOn } from './obstacles.ts'
import { candidatesFor, gpusAsked, type Placement, placer } from './placement.ts'
import type { Reason } from './reasons.ts'
import type { Spot } from './spot.ts'

export interface Advice {
  readonly provider: string
  /** Why its nodes do not take the job; a node counts once, under the first filter that it failed. */
  readonly reasons: Explanation['reasons']
  /** It would take the job as it is; others come first, or the job is placed in a moment. */
  readonly fits: boolean
  /** Each of them is enough, and all changes of it are needed; the least first. Empty: nothing that a job can change. */
  readonly options: readonly (readonly Change[])[]
}

/** The ways out that a provider names, and how many kinds of its nodes are looked at for them. */
const mostOptions = 3
const mostKinds = 16
/** To wait costs a copy of the provider, and some hundred tries of what is free when. */
const mostKindsToWaitFor = 2
const mostRunsToWaitFor = 500

/** One provider after the other, in no order; whoever takes them may do something else in between. None without a job. */
export function* adviceFor(
  job: JobFact | undefined,
  { capacity, refusal, isKeptFor }: Pick<Site, 'capacity' | 'refusal' | 'isKeptFor'>,
): Generator<Advice, void> {
  if (!job) return
  const spots = Map.groupBy(capacity.spots.values(), ({ provider }) => provider)
  const bookings = Map.groupBy(capacity.bookings.values(), ({ provider }) => provider)
  for (const name of new Set([...capacity.providers.keys(), ...spots.keys()])) {
    const provider = capacity.providers.get(name) ?? unknown(name)
    yield adviceAt(job, {
      provider,
      spots: (spots.get(name) ?? []).filter(({ fact }) => fact !== undefined),
      bookings: bookings.get(name) ?? [],
      capacity,
      refusal,
      isKeptFor,
    })
  }
}

interface Site {
  readonly provider: ProviderFact
  readonly spots: readonly Spot[]
  readonly bookings: readonly Booking[]
  readonly capacity: Capacity
  /** Why its queue lets such a job have nothing of a model. */
  readonly refusal: (job: JobFact, model: string) => Reason | undefined
  /** Whether it is this job that nodes are kept for. */
  readonly isKeptFor: (job: JobFact) => boolean
}

function adviceAt(job: JobFact, site: Site): Advice {
  const { provider, spots, refusal } = site
  const known = { providers: new Map([[provider.name, provider]]), spots: { values: () => spots } }
  const { reasons } = explainWait(job, known, (model) => refusal(job, model))
  const said = { provider: provider.name, reasons }
  const connected: ProviderFact = { ...provider, state: 'Connected' }
  const fits = tryAt(connected, site)
  if (provider.state === 'Connected' && fits(job)) return { ...said, fits: true, options: [] }
  return { ...said, fits: false, options: optionsAt(job, { ...site, fits }) }
}

/** Where it would go at this provider alone, with what is free there now, and as far as its queue lets it. */
type Try = (job: JobFact) => Placement | undefined

function tryAt(provider: ProviderFact, { capacity, refusal }: Pick<Site, 'capacity' | 'refusal'>): Try {
  const place = placer(capacity)
  const stocks = new Map([...capacity.stocks].filter(([, stock]) => stock.provider === provider.name))
  const alone: Capacity = { ...capacity, stocks, providers: new Map([[provider.name, provider]]) }
  return (job) => {
    if (!keepsOwnersLimit(job, provider)) return undefined
    return place(
      job,
      candidatesFor(job, alone).filter(({ stock }) => refusal(job, stock.model) === undefined),
    )
  }
}

/** A job that is made smaller must not remain larger than the owner lets runs be. */
function keepsOwnersLimit(job: JobFact, { rules }: ProviderFact): boolean {
  return gpusAsked(job) <= (rules?.mostGpusPerRun ?? Infinity)
}

type Option = readonly Change[]

function optionsAt(job: JobFact, site: Site & { readonly fits: Try }): readonly Option[] {
  const { fits, provider } = site
  let options: readonly Option[] = []
  const later = waiter(site)
  for (const [i, first] of kindsOf(job, site).entries()) {
    const worst = options[mostOptions - 1]
    if (worst && total(worst) <= total(first)) break
    const changed = (changes: Option) => changes.reduce(followed, letIn(job, provider))
    const without = (rest: Option) => ofJob(first).map((one) => changed([...first.filter((it) => it !== one), ...rest]))
    const open = changed(first)
    const now = fits(open) ? [[]] : smaller(open, fits)
    const lean = now.filter((rest) => !without(rest).some((other) => fits(other)))
    const isLater = now[0]?.length !== 0 && i < mostKindsToWaitFor
    const found = [...lean, ...(isLater ? later(open, without([])) : [])]
    options = [...options, ...found.map((rest) => [...first, ...rest])].toSorted(byCost).slice(0, mostOptions)
  }
  return options.filter((option) => option.length > 0)
}

/** A provider that is away is tried as if it were there, so nothing is to be learned from leaving that out. */
function ofJob(option: Option): Option {
  return option.filter(({ change }) => change !== 'ProviderState')
}

/** The owner's limit of GPUs is no wall for a job that asks for fewer: `keepsOwnersLimit` looks after it. */
function letIn(job: JobFact, { name: provider }: ProviderFact): JobFact {
  if (job.refusedBy?.[provider] !== 'OwnerRuleGpus') return job
  return followed(job, { change: 'OwnerRule', provider, rule: 'OwnerRuleGpus', way: '' })
}

/** What stands in the way at the kinds of nodes that the provider has, whatever is free of them; the least first. */
function kindsOf(job: JobFact, { provider, spots }: Site): readonly Option[] {
  const state = stateFilters.map((filter) => filter(job, { provider })).find((reason) => reason !== undefined)
  const first: Option = state ? [{ change: 'ProviderState', provider: provider.name, reason: state }] : []
  const kinds = new Map<string, Option>()
  for (const { fact } of spots) {
    const changes = fact && obstaclesOn(job, { node: fact, provider })
    if (changes) kinds.set(JSON.stringify(changes), [...first, ...changes])
  }
  return [...kinds.values()].toSorted(byCost).slice(0, mostKinds)
}

function total(option: Option): number {
  return option.reduce((sum, change) => sum + costOf(change), 0)
}

function byCost(a: Option, b: Option): number {
  return total(a) - total(b) || a.length - b.length || (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
}

/** What a job may ask less of. */
interface Lever {
  readonly change: 'Workers' | 'Gpus' | 'Cpu' | 'Memory' | 'Storage'
  readonly of: (job: JobFact) => number
  /** Nobody is told to ask for less than that. */
  readonly least: number
  /** Whether what takes so many takes any less: then half of what is possible can be left out at each try. */
  readonly isSteady: boolean
}

const levers: readonly Lever[] = [
  // Six workers may fit where five do not: they are split into equal numbers per node.
  { change: 'Workers', of: ({ workers }) => workers, least: 1, isSteady: false },
  { change: 'Gpus', of: ({ perWorker }) => perWorker.gpus, least: 1, isSteady: true },
  { change: 'Cpu', of: ({ perWorker }) => perWorker.cpuMilli, least: 100, isSteady: true },
  { change: 'Memory', of: ({ perWorker }) => perWorker.memoryMiB, least: 128, isSteady: true },
  { change: 'Storage', of: ({ perWorker }) => perWorker.storageMiB, least: 128, isSteady: true },
]

/** By one thing less where that is enough, else by two, else by any. */
function smaller(job: JobFact, fits: Try): readonly Option[] {
  const usable = levers.filter(({ of, least }) => of(job) > least)
  const pairs = usable.flatMap((a, i) => usable.slice(i + 1).map((b) => [a, b]))
  for (const sets of [usable.map((one) => [one]), pairs, [usable]]) {
    const found = sets.flatMap((set) => lessOf(job, set, fits) ?? [])
    if (found.length > 0) return found
  }
  return []
}

/** The most of each that fits while those before it are settled and those after it are as small as may be. */
function lessOf(job: JobFact, set: readonly Lever[], fits: Try): readonly [Option] | undefined {
  const smallest = set.reduce((one, lever) => withLess(one, lever, lever.least), job)
  if (!fits(smallest)) return undefined
  const settled = set.reduce((one, lever) => withLess(one, lever, mostThatFits(one, lever, { job, fits })), smallest)
  const changes = set.flatMap(({ change, of }) =>
    of(settled) < of(job) ? [{ change, from: of(job), to: of(settled) } satisfies Change] : [],
  )
  return [changes]
}

function withLess(job: JobFact, { change, of }: Lever, to: number): JobFact {
  return followed(job, { change, from: of(job), to })
}

function mostThatFits(one: JobFact, lever: Lever, { job, fits }: { job: JobFact; fits: Try }): number {
  const most = Math.floor(lever.of(job))
  const isEnough = (value: number) => fits(withLess(one, lever, value)) !== undefined
  if (lever.isSteady) return lastOf(lever.least, most, isEnough)
  for (let value = most; value > lever.least; value -= 1) if (isEnough(value)) return value
  return lever.least
}

/** The last number that holds, of those from `first` on, which holds, up to `last`. */
function lastOf(first: number, last: number, holds: (value: number) => boolean): number {
  let [low, high] = [first, last]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (holds(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** So many runs are looked at one by one, whether they have to be waited for. */
const mostWeighed = 32

/** @param others the job with one change less each: one that fits as well says that the change is not needed. */
type Waiter = (job: JobFact, others: readonly JobFact[]) => readonly Option[]

/** Whether it is enough to wait for runs: those that say when they end come first, in that order. */
function waiter(site: Site): Waiter {
  const runs = site.bookings.filter((one) => !isKept(one))
  const inOrder = runs.toSorted(endsFirst).slice(0, mostRunsToWaitFor)
  let copy: { readonly capacity: Capacity; readonly fits: Try } | undefined
  let gone = 0

  function tryWithout(job: JobFact, count: number): Placement | undefined {
    copy ??= copyOf(job, site, runs)
    for (; gone < count; gone += 1) release(copy.capacity, inOrder[gone])
    for (; gone > count; gone -= 1) bookAgain(copy.capacity, inOrder[gone - 1])
    return copy.fits(job)
  }

  return (job, others) => {
    if (inOrder.length === 0 || !tryWithout(job, inOrder.length)) return []
    const count = 1 + lastOf(-1, inOrder.length - 1, (value) => value < 0 || tryWithout(job, value) === undefined)
    // It fits as things stand: whatever keeps it waiting, it is no run.
    if (count === 0) return []
    const placement = tryWithout(job, count)
    const ended = inOrder.slice(0, count)
    if (!placement || !copy) return []
    const { capacity, fits } = copy
    const runs = needed(job, { ended, placement, capacity, fits })
    const isLean = !others.some((other) => fits(other))
    for (const booking of ended.filter((one) => !runs.includes(one))) release(capacity, booking)
    return isLean ? [[waitFor(runs)]] : []
  }
}

/**
 * All runs are booked, also those that are not waited for. Of nodes that are kept for another job nothing is counted
 * on: what gets free there is kept as well. What the queue lets it have is as it is now: to wait for quota is no
 * advice yet.
 */
function copyOf(job: JobFact, { provider, spots, bookings, refusal, isKeptFor }: Site, runs: readonly Booking[]) {
  const kept = isKeptFor(job) ? [] : bookings.filter(isKept).flatMap(({ nodes }) => nodes.map(({ name }) => name))
  const capacity = createCapacity(() => {})
  const connected: ProviderFact = { ...provider, state: 'Connected' }
  capacity.setProvider(connected)
  for (const { name, fact } of spots) if (fact && !kept.includes(name)) capacity.setNode(fact)
  runs.forEach(capacity.book)
  return { capacity, fits: tryAt(connected, { capacity, refusal }) }
}

function release(capacity: Capacity, booking: Booking | undefined): void {
  if (booking) capacity.release(booking.uid, booking.run)
}

function bookAgain(capacity: Capacity, booking: Booking | undefined): void {
  if (booking) capacity.book(booking)
}

/** Of the runs that are over by then, those without which it would not fit. Leaves the others booked. */
function needed(
  job: JobFact,
  {
    ended,
    placement,
    capacity,
    fits,
  }: {
    readonly ended: readonly Booking[]
    readonly placement: Placement
    readonly capacity: Capacity
    readonly fits: Try
  },
): readonly Booking[] {
  const taken = new Set(placement.nodes.map(({ name }) => name))
  const isThere = ({ nodes }: Booking) => nodes.some(({ name }) => taken.has(name))
  for (const booking of ended) if (!isThere(booking)) capacity.book(booking)
  const runs = new Set(ended.filter(isThere))
  for (const booking of [...runs].slice(-mostWeighed)) {
    capacity.book(booking)
    if (fits(job)) runs.delete(booking)
    else release(capacity, booking)
  }
  return [...runs]
}

function waitFor(runs: readonly Booking[]): Change {
  const names = runs.map(({ uid, run }) => ({ uid, run }))
  const ends = runs.map(({ endsMs = Infinity }) => endsMs)
  const untilMs = Math.max(...ends)
  return { change: 'Wait', runs: names, ...(untilMs === Infinity ? {} : { untilMs }) }
}

function endsFirst(a: Booking, b: Booking): number {
  const [endA, endB] = [a.endsMs ?? Infinity, b.endsMs ?? Infinity]
  if (endA !== endB) return endA - endB
  return bookingKey(a.uid, a.run) < bookingKey(b.uid, b.run) ? -1 : 1
}
