// What it costs to use a node, in the plainest way: the other half of the reference for the engine.
import { createDemand, type Pricing } from '../../operator/src/domain/scheduling/demand.ts'
import type {
  Booking,
  EngineSnapshot,
  JobFact,
  NodeFact,
  NodeShare,
  Room,
} from '../../operator/src/domain/scheduling/facts.ts'

/** What is left of a node; negative where more is promised than there is. */
export function leftOf(
  { provider, name, gpus, cpuMilli, memoryMiB, storageMiB, usedByOthers, slices = 1 }: NodeFact,
  bookings: readonly Booking[],
): Room {
  const left = {
    gpus: Math.floor((gpus - usedByOthers.gpus) * slices),
    cpuMilli: cpuMilli - usedByOthers.cpuMilli,
    memoryMiB: memoryMiB - usedByOthers.memoryMiB,
    storageMiB: storageMiB - usedByOthers.storageMiB,
  }
  for (const booking of bookings.filter((each) => each.provider === provider)) {
    for (const { workers } of booking.nodes.filter((node) => node.name === name)) {
      left.gpus -= workers * parts(booking.perWorker, slices)
      left.cpuMilli -= workers * booking.perWorker.cpuMilli
      left.memoryMiB -= workers * booking.perWorker.memoryMiB
      left.storageMiB -= workers * booking.perWorker.storageMiB
    }
  }
  return { ...left, gpus: left.gpus / slices }
}

/** Of GPUs that are cut in so many: who wants a bit of one has all of it. The fractions of the stories are no sums. */
export function parts({ gpus }: Room, slices: number): number {
  return Math.ceil(gpus * slices)
}

/** The same, where of a GPU that is shared by its parts nothing can be taken of what others have. */
export function leftOn(node: NodeFact, bookings: readonly Booking[]): Room {
  const left = leftOf(node, bookings)
  return isDivided(node) ? { ...left, gpus: sum(devicesOf(node, bookings)) / (node.slices ?? 1) } : left
}

function isDivided({ slices, slicesPerWorker }: NodeFact): boolean {
  return slices !== undefined && slicesPerWorker === undefined
}

/** GPUs of which more is promised to those who name them than there is. */
export function gpusTakenTooOften({ slices = 1, provider, name }: NodeFact, bookings: readonly Booking[]): number[] {
  const taken: number[] = []
  for (const { perWorker, nodes } of bookings.filter((each) => each.provider === provider)) {
    for (const gpu of nodes.filter((each) => each.name === name).flatMap((each) => each.gpus ?? [])) {
      taken[gpu] = (taken[gpu] ?? 0) + Math.min(1, parts(perWorker, slices) / slices)
    }
  }
  return taken.flatMap((each, gpu) => (each > 1 + 1e-9 ? [gpu] : []))
}

/** Of each GPU the parts that are free; what is taken of nobody knows which is taken of the last. */
function devicesOf(node: NodeFact, bookings: readonly Booking[]): number[] {
  const { slices = 1, gpus, provider, name } = node
  const free = Array.from({ length: gpus }, () => slices)
  const shares = bookings
    .filter((each) => each.provider === provider)
    .flatMap(({ perWorker, nodes }) => nodes.map((share) => ({ perWorker, ...share })))
  const named = shares.filter((share) => share.name === name)
  let rest = gpus * slices - Math.round(leftOf(node, bookings).gpus * slices)
  for (const gpu of free.keys()) {
    const here = named.flatMap(({ perWorker, gpus: on = [] }) => on.filter((each) => each === gpu).map(() => perWorker))
    const taken = sum(here.map((worker) => (worker.gpus < 1 ? parts(worker, slices) : slices)))
    free[gpu] = slices - Math.min(slices, taken, rest)
    rest -= slices - free[gpu]
  }
  for (const gpu of [...free.keys()].toReversed()) {
    const taken = Math.min(free[gpu] ?? 0, rest)
    free[gpu] = (free[gpu] ?? 0) - taken
    rest -= taken
  }
  return free
}

export interface Share {
  readonly node: NodeShare
  /** Cost, what it begins, how far its CPU is from what would suit best, name; the lowest is best. */
  readonly order: readonly (number | string)[]
}

interface On {
  readonly node: NodeFact
  readonly left: Room
  readonly workersPerNode: number
  readonly world: EngineSnapshot
}

/** Undefined: the free parts of its GPUs are too small. */
export function shareOf(job: JobFact, { node, left, workersPerNode: workers, world }: On): Share | undefined {
  const { slices = 1, name } = node
  const pricing = pricingOf(world)
  const cpuMilli = job.perWorker.cpuMilli * workers
  const free = Math.max(0, left.gpus)
  const after = free - (workers * parts(job.perWorker, slices)) / slices
  const gpus = isDivided(node)
    ? ofDevices(job, { devices: devicesOf(node, world.bookings), slices, workers, pricing })
    : { ...ofWholes(job, { free, slices: node.slices, workers, pricing }), gpus: undefined }
  if (!gpus) return undefined
  const breaks = left.gpus === node.gpus && after > 0 && after < free ? 0.125 : 0
  const cost = toGrain(
    gpus.lost + breaks + lack(after, left.cpuMilli - cpuMilli, pricing) - lack(free, left.cpuMilli, pricing),
  )
  const ideal = idealOf({ free, after, cpuMilli }, pricing)
  const order = [
    cost,
    gpus.order + (left.gpus < node.gpus ? 0 : 256),
    Math.abs(left.cpuMilli - Math.min(ideal, Number.MAX_SAFE_INTEGER)),
    name,
  ]
  return { node: { name, workers, ...(gpus.gpus && { gpus: gpus.gpus }) }, order }
}

function ofWholes(
  { perWorker }: JobFact,
  { free, slices, workers, pricing }: { free: number; slices: number | undefined; workers: number; pricing: Pricing },
) {
  const wholes = Math.floor(free + 1e-9)
  const begun = Math.round((free - wholes) * (slices ?? 1)) / (slices ?? 1)
  const order = Math.round((begun || 1) * 200) * 512 + wholes
  if (slices !== undefined) return { lost: 0, order }
  return { lost: (pricing.lostOfNode[free - perWorker.gpus * workers] ?? 0) - (pricing.lostOfNode[free] ?? 0), order }
}

function ofDevices(
  { perWorker: { gpus: size } }: JobFact,
  { devices, slices, workers, pricing }: { devices: number[]; slices: number; workers: number; pricing: Pricing },
) {
  const wholes = devices.filter((each) => each === slices).length
  const lostWhole = (many: number) => pricing.lostOfNode[many] ?? 0
  if (size >= 1) {
    const gpus = devices.flatMap((each, i) => (each === slices ? [i] : [])).slice(0, size * workers)
    if (gpus.length < size * workers) return undefined
    return { lost: lostWhole(wholes - gpus.length) - lostWhole(wholes), order: 200 * 512 + wholes, gpus }
  }
  const taken = Math.ceil(size * slices)
  const lostPart = (many: number) =>
    many === slices ? 0 : (pricing.lostOfPart[Math.floor((many / slices) * 200 + 1e-9)] ?? 0)
  const left = [...devices]
  const gpus: number[] = []
  let lost = 0
  let order: number | undefined
  for (let worker = 0; worker < workers; worker += 1) {
    const now = left.filter((each) => each === slices).length
    const options = left.flatMap((each, gpu) => {
      if (each < taken) return []
      const loses =
        lostPart(each - taken) - lostPart(each) + (each === slices ? lostWhole(now - 1) - lostWhole(now) : 0)
      return [{ gpu, each, loses }]
    })
    const [best] = options.toSorted((a, b) =>
      Math.abs(a.loses - b.loses) > 1e-9 ? a.loses - b.loses : a.each - b.each || a.gpu - b.gpu,
    )
    if (!best) return undefined
    gpus.push(best.gpu)
    lost += best.loses
    left[best.gpu] = best.each - taken
    order ??= Math.round((best.each / slices) * 200) * 512 + wholes
  }
  return { lost, order: order ?? 0, gpus }
}

function pricingOf({ demand, nodes }: EngineSnapshot): Pricing {
  const priced = createDemand(0)
  priced.setPriced(demand)
  priced.renew(Math.max(0, ...nodes.filter(({ withheld }) => withheld === undefined).map(({ gpus }) => gpus)))
  return priced.pricing()
}

/** The mean of max(0, x + ξ) for ξ between −σ and σ, as the difference of two squares. */
function lack(gpus: number, cpuMilli: number, { cpuMilliPerGpu: each, spread }: Pricing): number {
  if (each === 0) return 0
  const x = gpus - cpuMilli / each
  const sigma = spread * Math.sqrt(gpus)
  return sigma === 0 ? Math.max(0, x) : (Math.max(0, x + sigma) ** 2 - Math.max(0, x - sigma) ** 2) / (4 * sigma)
}

function idealOf(
  { free, after, cpuMilli }: { readonly free: number; readonly after: number; readonly cpuMilli: number },
  { cpuMilliPerGpu: each, spread }: Pricing,
): number {
  const more = cpuMilli - each * (free - after)
  if (spread === 0 || free === after) return more > 0 ? Infinity : 0
  return each * free + (more * Math.sqrt(free)) / (Math.sqrt(free) - Math.sqrt(after))
}

/** Costs are reckoned in these. */
export function toGrain(gpus: number): number {
  return Math.round(gpus * 2 ** 16) / 2 ** 16
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
