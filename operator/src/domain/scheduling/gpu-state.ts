// How the free GPUs of a node lie, and what is lost of them when a job takes some.

import { type Pricing, unitsOfGpu } from './demand.ts'
import type { NodeFact } from './facts.ts'
import { dust, isFraction, partsIn, partsOf } from './sharing.ts'

/** Nodes in the same state differ in CPU, memory and storage alone. */
export interface GpuState {
  /** In how many parts each GPU may be shared; undefined: whole GPUs only. */
  readonly slices: number | undefined
  /** With those of which only a part is free. */
  readonly free: number
  /** Of which all is free. */
  readonly wholes: number
  /** The free parts of the others, in GPUs, smallest first; `Unknown` where a worker gets any part that is free. */
  readonly parts: readonly number[] | 'Unknown'
  /** Nobody has any GPU of the node. */
  readonly isUntouched: boolean
}

/** What a state has in common with all that are equal to it. */
export function stateKey({ slices, wholes, free, parts, isUntouched }: GpuState): number | string {
  if (slices === undefined) return wholes * 2 + Number(isUntouched)
  return `${slices} ${isUntouched} ${wholes} ${parts === 'Unknown' ? `of ${free}` : parts.join(' ')}`
}

/** Nearly all nodes are in one of these. */
const wholeStates: GpuState[] = []

/** @param gpus of the node. */
export function wholeState(wholes: number, gpus: number): GpuState {
  const isUntouched = wholes === gpus
  return (wholeStates[wholes * 2 + Number(isUntouched)] ??= {
    slices: undefined,
    free: wholes,
    wholes,
    parts: [],
    isUntouched,
  })
}

/** Where it is known how many parts are free, and not of which GPUs. */
export function sharedState(freeParts: number, slices: number, gpus: number): GpuState {
  const isUntouched = freeParts === gpus * slices
  return { slices, free: freeParts / slices, wholes: Math.floor(freeParts / slices), parts: 'Unknown', isUntouched }
}

/** @param freeParts of each GPU. */
export function dividedState(freeParts: readonly number[], slices: number): GpuState {
  const begun = freeParts.filter((free) => free > 0 && free < slices).toSorted((a, b) => a - b)
  const wholes = freeParts.filter((free) => free === slices).length
  const free = freeParts.reduce((sum, each) => sum + each, 0) / slices
  return { slices, free, wholes, parts: begun.map((each) => each / slices), isUntouched: wholes === freeParts.length }
}

/** Whether workers may have several parts of one GPU: then it counts how the parts lie. */
export function isDivided({ slices, slicesPerWorker }: Pick<NodeFact, 'slices' | 'slicesPerWorker'>): boolean {
  return slices !== undefined && slicesPerWorker === undefined
}

/** How many workers can have their GPUs there. */
export function workersIn({ slices, free, wholes, parts }: GpuState, gpus: number): number {
  if (gpus === 0) return Infinity
  if (slices === undefined) return isFraction(gpus) ? 0 : Math.floor(wholes / gpus)
  const each = partsOf(gpus, slices)
  if (parts === 'Unknown') return Math.floor(partsIn(free, slices) / each)
  if (!isFraction(gpus)) return Math.floor(wholes / gpus)
  return parts.reduce((sum, part) => sum + Math.floor(partsIn(part, slices) / each), wholes * Math.floor(slices / each))
}

/** What it means for a node that some workers come. */
export interface Taking {
  /** GPUs of which nobody else makes use then, and did before; below zero: fewer. */
  readonly lost: number
  /** Of two that lose as much the lower one comes first: it fills what is begun. */
  readonly order: number
  /** Free then. */
  readonly left: number
  /** Of each worker with a part of a GPU, how much of that was free before. Empty: nobody chooses. */
  readonly from: readonly number[]
}

interface Taken {
  readonly gpus: number
  readonly workers: number
}

/** Undefined: there is no room for them. */
export function taking(state: GpuState, taken: Taken, pricing: Pricing): Taking | undefined {
  const { gpus, workers } = taken
  if (workersIn(state, gpus) < workers) return undefined
  const { slices = 1, free, isUntouched } = state
  const left = Math.max(0, partsIn(free, slices) - workers * partsOf(gpus, slices)) / slices
  const { lost, order, from } = lossOf(state, taken, pricing)
  const broken = isUntouched && left > 0 && left < free ? pricing.brokenNode : 0
  return { lost: lost + broken, order, left, from }
}

function lossOf(state: GpuState, taken: Taken, pricing: Pricing): Omit<Taking, 'left'> {
  const { slices = 1, free, wholes, parts } = state
  if (parts === 'Unknown') {
    const begun = partsIn(free, slices) % slices
    return { lost: 0, order: orderOf(begun === 0 ? 1 : begun / slices, state), from: [] }
  }
  if (isFraction(taken.gpus)) return fromParts({ ...state, parts }, taken, pricing)
  const lost = lostOfNode(pricing, wholes - taken.gpus * taken.workers) - lostOfNode(pricing, wholes)
  return { lost, order: orderOf(1, state), from: [] }
}

/** Each worker takes its part where least is lost. */
function fromParts(
  state: GpuState & { readonly parts: readonly number[] },
  { gpus, workers }: Taken,
  pricing: Pricing,
): Omit<Taking, 'left'> {
  const { slices = 1 } = state
  const part = partsOf(gpus, slices) / slices
  const pieces = Array.from(state.parts)
  let { wholes } = state
  const from: number[] = []
  let lost = 0
  for (let worker = 0; worker < workers; worker += 1) {
    let best =
      wholes > 0
        ? lostOfNode(pricing, wholes - 1) - lostOfNode(pricing, wholes) + lostOfPart(pricing, 1 - part)
        : Infinity
    let at = -1
    for (const [i, piece] of pieces.entries()) {
      if (piece + dust < part) continue
      const loses = lostOfPart(pricing, piece - part) - lostOfPart(pricing, piece)
      if (loses < best - dust || (loses < best + dust && piece < (pieces[at] ?? 1))) [best, at] = [loses, i]
    }
    const piece = pieces[at] ?? 1
    from.push(piece)
    lost += best
    if (at < 0) {
      wholes -= 1
      pieces.push(1 - part)
    } else pieces[at] = piece - part
  }
  return { lost, order: orderOf(from[0] ?? 1, state), from }
}

/** Begun GPUs first, the fullest of them before others; then nodes that are begun, then those with few whole GPUs. */
function orderOf(piece: number, { isUntouched, wholes }: GpuState): number {
  return (Math.round(piece * unitsOfGpu) * 2 + Number(isUntouched)) * 256 + wholes
}

function lostOfPart({ lostOfPart: lost }: Pricing, gpus: number): number {
  return lost[Math.floor(gpus * unitsOfGpu + dust)] ?? 0
}

function lostOfNode({ lostOfNode: lost }: Pricing, wholes: number): number {
  return lost[wholes] ?? 0
}
