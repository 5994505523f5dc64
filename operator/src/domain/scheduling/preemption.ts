// Whose GPUs a job gets that finds none: docs in operator/decisions/0031-preemption.md.
import type { Booking, JobFact, Room, RunId } from './facts.ts'
import { type Ground, type Grounds, gpusOf, holds, leftBeside, more, workersOn } from './ground.ts'
import { type Placement, splitsOf } from './placement.ts'
import { takenOn } from './sharing.ts'

/** What queues say of it. */
export interface Rights {
  /** Whether the job may take the GPUs of that run, where those in `ended` are over already. */
  readonly mayTake: (run: Booking, ended: readonly Booking[]) => boolean
  /** Whether the job may have GPUs of that model where those in `ended` are over. */
  readonly mayHave: (model: string, ended: readonly Booking[]) => boolean
}

export interface Preemptor {
  readonly job: JobFact
  readonly rights: Rights
  /** Wall time. */
  readonly nowMs: number
}

export type Preemption = Placement & { readonly preempts: readonly RunId[] }

/** What others lose: GPUs first, then GPU-milliseconds since their start or last checkpoint. */
export interface Loss {
  readonly gpus: number
  readonly gpuMs: number
}

interface Victim {
  readonly run: Booking
  readonly loss: Loss
}

interface Plan {
  readonly grounds: Grounds
  readonly nodes: readonly Ground[]
  readonly workersPerNode: number
  readonly victims: readonly Victim[]
  readonly loss: Loss
}

/** So many sets of victims are tried on a node at the most; the first is the one that takes the cheapest until it fits. */
const setsTried = 64

/**
 * The place where a job gets room at the least loss of others, at one provider. Undefined where it gets none.
 * Costs a look at all runs on the grounds. On a single node the loss is the least there is, unless many runs share it.
 */
export function preempt(preemptor: Preemptor, all: readonly Grounds[]): Preemption | undefined {
  let best: Plan | undefined
  for (const grounds of all) {
    const victims = victimsIn(preemptor, grounds)
    if (victims.size === 0) continue
    for (const split of splitsOf(preemptor.job.workers)) {
      if (split.nodes > grounds.nodes.length) break
      if (
        !grounds.nodes.some(
          (node) => node.room.gpus >= takenOn(node, preemptor.job.perWorker, split.workersPerNode).gpus,
        )
      )
        continue
      const plan = planFor(preemptor, { grounds, victims, ...split })
      // Nobody needs to go: whoever asks has not looked.
      if (plan?.victims.length === 0) return undefined
      if (plan && (!best || comesBefore(plan.loss, best.loss))) best = plan
    }
  }
  return best && said(best)
}

function said({ grounds: { provider, model }, nodes, workersPerNode, victims }: Plan): Preemption {
  const places = nodes.map(({ name }) => ({ name, workers: workersPerNode })).toSorted((a, b) => byText(a.name, b.name))
  const preempts = victims.map(({ run: { uid, run } }) => ({ uid, run })).toSorted((a, b) => byText(a.uid, b.uid))
  return { provider, model, nodes: places, preempts }
}

/** Those whose GPUs it may take. What was only chosen, or has not begun, is nobody's victim: so none follows from another. */
function victimsIn({ job, rights, nowMs }: Preemptor, { nodes }: Grounds): ReadonlyMap<Booking, Victim> {
  const victims = new Map<Booking, Victim>()
  for (const { runs } of nodes) {
    for (const run of runs) {
      const isKnown = run.nodes.length > 1 && victims.has(run)
      if (!isKnown && run.uid !== job.uid && isOpen(run, { rights, nowMs }))
        victims.set(run, { run, loss: lossOf(run, nowMs) })
    }
  }
  return victims
}

/** How long a run may take to end before nobody counts on its room any more: its node may be lost. */
export const mostEndingMs = 600_000

function isOpen(run: Booking, { rights, nowMs }: Omit<Preemptor, 'job'>): boolean {
  if (run.endingMs !== undefined) return nowMs - run.endingMs < mostEndingMs
  return run.startedMs !== undefined && rights.mayTake(run, [])
}

/** What was told to end already is lost anyway. */
export function lossOf(run: Booking, nowMs: number): Loss {
  if (run.endingMs !== undefined) return { gpus: 0, gpuMs: 0 }
  const gpus = gpusOf(run)
  return { gpus, gpuMs: gpus * Math.max(0, nowMs - Math.max(run.startedMs ?? nowMs, run.checkpointMs ?? 0)) }
}

interface Field {
  readonly grounds: Grounds
  readonly victims: ReadonlyMap<Booking, Victim>
  readonly nodes: number
  readonly workersPerNode: number
}

/** Takes the cheapest node again and again, where those who leave one node are gone from the others as well. */
function planFor(preemptor: Preemptor, field: Field): Plan | undefined {
  const { grounds, workersPerNode } = field
  const search = { preemptor, field, costs: new Map<Ground, Cost | undefined>() }
  const chosen = new Set<Ground>()
  const victims: Victim[] = []
  while (chosen.size < field.nodes) {
    const next = cheapestNode(search, { chosen, victims })
    if (!next) return undefined
    chosen.add(next.node)
    victims.push(...next.victims)
    // What was found for nodes that lose a run by this is found anew.
    const touched = new Set(next.victims.flatMap(({ run }) => run.nodes.map(({ name }) => name)))
    for (const node of grounds.nodes) if (touched.has(node.name)) search.costs.delete(node)
  }
  const enough = withQuota(search, victims)
  if (!enough) return undefined
  const needed = onlyNeeded(search, { chosen, victims: enough })
  return { grounds, nodes: [...chosen], workersPerNode, victims: needed, loss: sum(needed) }
}

interface Search {
  readonly preemptor: Preemptor
  readonly field: Field
  /** By node: whom it costs, given who goes already. Undefined where nothing helps. */
  readonly costs: Map<Ground, Cost | undefined>
}

interface Cost {
  readonly victims: readonly Victim[]
  readonly loss: Loss
}

interface Chosen {
  readonly chosen: ReadonlySet<Ground>
  readonly victims: readonly Victim[]
}

function cheapestNode(search: Search, { chosen, victims }: Chosen): (Cost & { readonly node: Ground }) | undefined {
  let best: (Cost & { readonly node: Ground }) | undefined
  for (const node of search.field.grounds.nodes) {
    if (chosen.has(node)) continue
    if (!search.costs.has(node)) search.costs.set(node, leastOn(search, node, victims))
    const cost = search.costs.get(node)
    if (!cost) continue
    const isEqual = best && !comesBefore(best.loss, cost.loss) && node.name < best.node.name
    if (!best || comesBefore(cost.loss, best.loss) || isEqual) best = { ...cost, node }
  }
  return best
}

/** Whom it costs to get the share of one node, beyond those who go already. */
function leastOn({ preemptor, field }: Search, node: Ground, gone: readonly Victim[]): Cost | undefined {
  const share = takenOn(node, preemptor.job.perWorker, field.workersPerNode)
  if (!holds(node.room, share)) return undefined
  const goneRuns = new Set(gone.map(({ run }) => run))
  const staying = goneRuns.size === 0 ? node.runs : node.runs.filter((run) => !goneRuns.has(run))
  const open = staying.flatMap((run) => field.victims.get(run) ?? []).toSorted(cheapestFirst)
  const free = leftBeside(node, staying)
  const rooms = open.map(({ run }) => takenOn(node, run.perWorker, workersOn(run.nodes, node.name)))
  /** What is free when all from the one of that number on go too. */
  const all = rooms.reduceRight<readonly Room[]>(
    ([next = nothing, ...rest], room) => [more(room, next), next, ...rest],
    [nothing],
  )
  let best: Cost | undefined
  let left = setsTried

  function look(from: number, taken: Cost, room: Room): void {
    left -= 1
    if (holds(room, share)) {
      best = taken
      return
    }
    for (let i = from; i < open.length && left > 0; i += 1) {
      const [next, its = nothing] = [open[i], rooms[i]]
      if (!next || !holds(more(room, all[i] ?? nothing), share)) return
      const loss = plus(taken.loss, next.loss)
      // Those behind it cost as much or more.
      if (best && !comesBefore(loss, best.loss)) return
      if (mayGo(preemptor, next, () => [...goneRuns, ...taken.victims.map(({ run }) => run)]))
        look(i + 1, { victims: [...taken.victims, next], loss }, more(room, its))
    }
  }

  look(0, { victims: [], loss: noLoss }, free)
  return best
}

const nothing: Room = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }

function isHeld(
  node: Ground,
  { job, workers, gone }: { job: JobFact; workers: number; gone: ReadonlySet<Booking> },
): boolean {
  return holds(
    leftBeside(
      node,
      node.runs.filter((run) => !gone.has(run)),
    ),
    takenOn(node, job.perWorker, workers),
  )
}

function mayGo({ rights }: Preemptor, { run }: Victim, ended: () => readonly Booking[]): boolean {
  return run.endingMs !== undefined || rights.mayTake(run, ended())
}

/** Room alone may not be enough: others at the same provider go until its queue may have the GPUs. */
function withQuota(
  { preemptor, field: { grounds, victims: all } }: Search,
  victims: readonly Victim[],
): readonly Victim[] | undefined {
  const { rights } = preemptor
  const more = new Set(victims)
  const ended = () => Array.from(more, ({ run }) => run)
  if (rights.mayHave(grounds.model, ended())) return [...more]
  // Where all of them together are not enough nobody is looked at one by one.
  if (!rights.mayHave(grounds.model, [...all.keys()])) return undefined
  for (const victim of [...all.values()].toSorted(cheapestFirst)) {
    if (more.has(victim) || !mayGo(preemptor, victim, ended)) continue
    more.add(victim)
    if (rights.mayHave(grounds.model, ended())) return [...more]
  }
  return undefined
}

/** Who need not go stays, the dearest first. */
function onlyNeeded({ preemptor, field }: Search, { chosen, victims }: Chosen): readonly Victim[] {
  const asked = { job: preemptor.job, workers: field.workersPerNode }
  const gone = new Set(victims.map(({ run }) => run))
  for (const { run } of victims.toSorted(cheapestFirst).toReversed()) {
    gone.delete(run)
    const fits = [...chosen].every((node) => workersOn(run.nodes, node.name) === 0 || isHeld(node, { ...asked, gone }))
    if (!fits || !preemptor.rights.mayHave(field.grounds.model, [...gone])) gone.add(run)
  }
  return victims.filter(({ run }) => gone.has(run))
}

function sum(victims: readonly Victim[]): Loss {
  return victims.reduce((all, { loss }) => plus(all, loss), noLoss)
}

function plus(a: Loss, b: Loss): Loss {
  return { gpus: a.gpus + b.gpus, gpuMs: a.gpuMs + b.gpuMs }
}

const noLoss: Loss = { gpus: 0, gpuMs: 0 }

function comesBefore(a: Loss, b: Loss): boolean {
  return a.gpus === b.gpus ? a.gpuMs < b.gpuMs : a.gpus < b.gpus
}

function cheapestFirst(a: Victim, b: Victim): number {
  return (
    a.loss.gpus - b.loss.gpus ||
    a.loss.gpuMs - b.loss.gpuMs ||
    (a.run.priority ?? 0) - (b.run.priority ?? 0) ||
    byText(a.run.uid, b.run.uid)
  )
}

function byText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
