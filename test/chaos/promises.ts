/** How many GPUs the hub has promised at a time, by the GpuRuns alone. */
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { outcomeOf } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { Seen } from '../federation/watched.ts'

export class Promises {
  /** Runs that were ordered on a node that had promised all its GPUs to others. */
  overPromised = 0
  readonly #gpusOfNode: number
  /** By node, what each run that is not over holds there. */
  readonly #held = new Map<string, Map<string, number>>()

  constructor(gpusOfNode: number) {
    this.#gpusOfNode = gpusOfNode
  }

  /** The most that is promised of any node now. */
  get most(): number {
    return Math.max(0, ...[...this.#held.values()].map(sum))
  }

  see({ type, object }: Seen<GpuRun>): void {
    const { metadata, spec } = object
    const isOver = type === 'DELETED' || outcomeOf(object) !== undefined
    let isTooMuch = false
    for (const { name, workers } of spec.nodes) {
      const node = `${metadata.namespace}/${name}`
      const held = this.#held.get(node) ?? new Map<string, number>()
      this.#held.set(node, held)
      const isNew = !isOver && !held.has(metadata.uid)
      if (isOver) held.delete(metadata.uid)
      else held.set(metadata.uid, workers * spec.gpus.count)
      if (isNew && sum(held) > this.#gpusOfNode) isTooMuch = true
    }
    if (isTooMuch) this.overPromised++
  }
}

function sum(held: ReadonlyMap<string, number>): number {
  return held.values().reduce((total, gpus) => total + gpus, 0)
}
