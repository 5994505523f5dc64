// Which nodes are kept for a job that cannot start yet, so that small ones do not pass it for ever.
// Docs in operator/decisions/0031-preemption.md.
import type { Booking, JobFact, Room } from './facts.ts'
import { type Ground, type Grounds, holds, leftBeside, less, mapped } from './ground.ts'
import { splitsOf } from './placement.ts'
import { comesFirst } from './shape.ts'
import { takenOn } from './sharing.ts'

/** How long a job waits before nodes or quota are kept for it, counted from when it was made. Many start by themselves. */
export const patienceMs = 5000

/** Who is over so soon may use what is kept for a start that nobody knows: it delays it by no more than that, once. */
export const shortMs = 3_600_000

/** For a start that nobody knows nodes are kept so long at first, then not for as long; each time twice as long. */
export const firstTurnMs = 3_600_000

/** What should be over for so long and is not may stay for ever: its node may be lost. */
const lateMs = 600_000

/** Each look costs all nodes. So many are had before each pass; the others are when those are known. */
export const mostLooks = 8
/** And so many again at what was looked at before, if something has changed since. */
export const mostSecondLooks = 8

export interface Reservation {
  readonly uid: string
  readonly run: number
  readonly provider: string
  readonly model: string
  /**
   * Nothing that is known of what runs there lets it start before. What is over by then delays it by nothing.
   * It is no promise: what has not declared how long it runs may end later.
   */
  readonly startMs: number
  /** All that has to be over has said when, and is not late. */
  readonly isKnown: boolean
  /** Now: nothing needs to be over first. */
  readonly mayStart: boolean
  /** What is kept of what is free now on each of its nodes; the rest is for anybody. */
  readonly kept: readonly { readonly node: string; readonly room: Room }[]
}

/** A node that it may get, and what has to be over before. */
interface Prospect {
  readonly node: Ground
  /** By when those are over that have said when. */
  readonly startMs: number
  /** Those that have not. */
  readonly unknown: number
  /** Nothing has to be over first. What should be over by now and is not, has to be. */
  readonly isFree: boolean
}

interface Outlook {
  readonly provider: string
  readonly model: string
  readonly prospects: readonly Prospect[]
  readonly workersPerNode: number
  readonly startMs: number
  readonly unknown: number
}

/**
 * The nodes where the job can start soonest: fewest runs of unknown length have to end, then by the ends that are declared.
 * Undefined where it never fits. The order is total and looks at nothing but what is there, so that the choice moves
 * only to where the job is nearer to its start.
 */
export function reserve(
  job: JobFact,
  all: readonly Grounds[],
  { nowMs, seen = new Map() }: { readonly nowMs: number; readonly seen?: Outlooks },
): Reservation | undefined {
  let best: Outlook | undefined
  for (const grounds of all) {
    for (const split of splitsOf(job.workers)) {
      if (split.nodes > grounds.nodes.length) break
      const outlook = outlookIn(grounds, { worker: job.perWorker, ...split, nowMs, seen })
      if (outlook && (!best || isNearer(outlook, best))) best = outlook
    }
  }
  if (!best) return undefined
  const { startMs, provider, model, unknown, prospects, workersPerNode } = best
  const mayStart = prospects.every(({ isFree }) => isFree)
  const isKnown = unknown === 0 && !prospects.some((one) => !one.isFree && nowMs - one.startMs > lateMs)
  const kept = prospects.map(({ node }) => {
    const share = takenOn(node, job.perWorker, workersPerNode)
    return { node: node.name, room: keptOf(node, { share, startMs }) }
  })
  return { uid: job.uid, run: job.run, provider, model, startMs, isKnown, mayStart, kept }
}

interface Wanted {
  readonly worker: Room
  readonly nodes: number
  readonly workersPerNode: number
  readonly nowMs: number
  readonly seen: Outlooks
}

function outlookIn({ provider, model, nodes: all }: Grounds, wanted: Wanted): Outlook | undefined {
  const { nodes, workersPerNode, nowMs } = wanted
  const prospects: Prospect[] = []
  for (const node of all) {
    const prospect = prospectOf(node, wanted)
    if (prospect) keepNearest(prospects, prospect, nodes)
  }
  if (prospects.length < nodes) return undefined
  const startMs = prospects.reduce((latest, one) => Math.max(latest, one.startMs), nowMs)
  const unknown = prospects.reduce((sum, one) => sum + one.unknown, 0)
  return { provider, model, prospects, workersPerNode, startMs, unknown }
}

/** What was found for nodes on which nothing has changed since, by the workers that a node would get. */
export type Outlooks = Map<number, WeakMap<Ground, Prospect | 'Never'>>

function prospectOf(node: Ground, { worker, workersPerNode, seen }: Wanted): Prospect | undefined {
  const share = takenOn(node, worker, workersPerNode)
  if (!holds(node.room, share)) return undefined
  const known = seen.get(workersPerNode) ?? new WeakMap<Ground, Prospect | 'Never'>()
  seen.set(workersPerNode, known)
  const prospect = known.get(node) ?? whenFree(node, share)
  known.set(node, prospect)
  return prospect === 'Never' ? undefined : prospect
}

function whenFree(node: Ground, share: Room): Prospect | 'Never' {
  const leaving = node.runs.toSorted(soonestOverFirst)
  let left = leftBeside(node, leaving)
  const isFree = holds(left, share)
  let startMs = 0
  let unknown = 0
  for (let i = 0; !holds(left, share); i += 1) {
    const next = leaving[i]
    if (!next) return 'Never'
    left = leftBeside(node, leaving.slice(i + 1))
    const over = overMs(next)
    if (over === undefined) unknown += 1
    else startMs = Math.max(startMs, over)
  }
  return { node, startMs, unknown, isFree }
}

/** Undefined: nobody knows. */
function overMs({ endingMs, endsMs }: Booking): number | undefined {
  return endingMs ?? endsMs
}

function soonestOverFirst(a: Booking, b: Booking): number {
  const [overA, overB] = [overMs(a) ?? Infinity, overMs(b) ?? Infinity]
  if (overA !== overB) return overA < overB ? -1 : 1
  // Of those that nobody knows of the largest: fewest have to end.
  return b.perWorker.gpus - a.perWorker.gpus || (a.uid < b.uid ? -1 : 1)
}

/** Into a list of the so many nearest, which stays in order. */
function keepNearest(nearest: Prospect[], prospect: Prospect, most: number): void {
  const last = nearest.at(-1)
  if (nearest.length === most && last && nearestFirst(last, prospect) < 0) return
  const at = nearest.findIndex((one) => nearestFirst(prospect, one) < 0)
  nearest.splice(at === -1 ? nearest.length : at, 0, prospect)
  if (nearest.length > most) nearest.pop()
}

function nearestFirst(a: Prospect, b: Prospect): number {
  return a.unknown - b.unknown || a.startMs - b.startMs || (a.node.name < b.node.name ? -1 : 1)
}

/** By ends that are declared only where all are: else what is let in meanwhile would move the choice to and fro. */
function isNearer(a: Outlook, b: Outlook): boolean {
  return a.unknown === b.unknown ? a.unknown === 0 && a.startMs < b.startMs : a.unknown < b.unknown
}

/** Of what is free now: all but what would still be left over when the job has started. */
function keptOf(node: Ground, { share, startMs }: { readonly share: Room; readonly startMs: number }): Room {
  const staying = node.runs.toSorted(soonestOverFirst)
  const free = leftBeside(node, staying)
  const isOver = (run: Booking | undefined) => run !== undefined && (overMs(run) ?? Infinity) <= startMs
  while (staying.length > 0 && (isOver(staying[0]) || !holds(leftBeside(node, staying), share))) staying.shift()
  const spare = less(leftBeside(node, staying), share)
  return mapped((what) => Math.max(0, free[what]) - Math.max(0, Math.min(free[what], spare[what])))
}

/** Whether a job may use what is kept: it is over before, or soon where nobody knows, or it comes first anyway. */
export function mayUseKept(job: JobFact, { reserved, nowMs, ...start }: Keeper): boolean {
  const { maxRuntimeMs = Infinity } = job
  return comesFirst(job, reserved) || nowMs + maxRuntimeMs <= usableUntilMs(start, nowMs)
}

/** Who is over by then may use what is kept. */
export function usableUntilMs({ startMs, isKnown }: Pick<Reservation, 'startMs' | 'isKnown'>, nowMs: number): number {
  return isKnown ? startMs : Math.max(startMs, nowMs + shortMs)
}

export interface Keeper {
  /** The job that it is kept for. */
  readonly reserved: JobFact
  readonly startMs: number
  readonly isKnown: boolean
  readonly nowMs: number
}

interface Turn {
  /** Of those before it. */
  readonly count: number
  readonly isOn: boolean
  readonly pausedMs: number
}

/**
 * Whether it is the turn of one whose start nobody knows, counted from when it came to the front. Turns grow without end:
 * some day one is longer than whatever has to be over. So do the pauses, in which it is the turn of the next in line.
 */
export function turnAt(nowMs: number, sinceMs: number): Turn {
  let count = 0
  let turnMs = firstTurnMs
  let beganMs = sinceMs
  while (nowMs >= beganMs + 2 * turnMs) {
    beganMs += 2 * turnMs
    turnMs *= 2
    count += 1
  }
  const pausedMs = beganMs + turnMs
  return { count, isOn: nowMs < pausedMs, pausedMs }
}
