// What bookings take, and what nodes offer.
import type { Booking, NodeFact } from './facts.ts'
import { capacityOf } from './filters.ts'
import { workersOf } from './ground.ts'
import type { Branch, Taken } from './queue-tree.ts'
import { anyModel, milli, take } from './quota.ts'

interface Entry {
  readonly branch: Branch
  readonly sign: 1 | -1
  /** Called of each branch before what it has taken changes. */
  readonly fold?: (branch: Branch) => void
}

/** Counts a booking in its queue and in all above it. */
export function enter(booking: Booking, { branch, sign, fold }: Entry): void {
  const taken = takenBy(booking)
  add(branch.own, taken, sign)
  for (let each: Branch | undefined = branch; each; each = each.parent) {
    fold?.(each)
    add(each.taken, taken, sign)
    each.running += sign
  }
  for (const model of new Set([booking.model ?? anyModel, anyModel])) {
    const account = branch.accounts.get(model)
    if (account) take(account, sign * taken.milliGpus)
  }
}

function takenBy(booking: Booking): Taken {
  const { perWorker } = booking
  const workers = workersOf(booking)
  return {
    milliGpus: milli(perWorker.gpus) * workers,
    cpuMilli: Math.ceil(perWorker.cpuMilli) * workers,
    memoryMiB: Math.ceil(perWorker.memoryMiB) * workers,
  }
}

/** What is withheld belongs to nobody. */
export function offerOf(node: NodeFact | undefined): Taken {
  if (!node || node.withheld !== undefined) return { milliGpus: 0, cpuMilli: 0, memoryMiB: 0 }
  const { gpus, cpuMilli, memoryMiB } = capacityOf(node)
  return { milliGpus: milli(gpus), cpuMilli: Math.ceil(cpuMilli), memoryMiB: Math.ceil(memoryMiB) }
}

export function add(to: Taken, taken: Taken, sign: 1 | -1): void {
  to.milliGpus += sign * taken.milliGpus
  to.cpuMilli += sign * taken.cpuMilli
  to.memoryMiB += sign * taken.memoryMiB
}

export function isSameOffer(a: NodeFact | undefined, b: NodeFact | undefined): boolean {
  const [one, other] = [offerOf(a), offerOf(b)]
  return one.milliGpus === other.milliGpus && one.cpuMilli === other.cpuMilli && one.memoryMiB === other.memoryMiB
}
