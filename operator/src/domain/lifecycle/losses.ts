// How often the runs of a provider are lost by its own doing, counted over the GpuRuns that there are: those of the jobs
// of the last days, as long as they are kept.
import { outcomeOf } from './gpurun.ts'
import type { KeptRun } from './kept.ts'

/** So many runs that ended well everybody is taken to have had: one loss is no habit. */
const trusted = 10
/** A share in steps: what moves with every run would make every waiting job look again. */
const steps = 16

export interface Losses {
  /** @returns whether the share of that provider is another one now. */
  readonly count: (provider: string, before: KeptRun | undefined, now: KeptRun | undefined) => boolean
  /** From 0 to 1. */
  readonly shareOf: (provider: string) => number
}

export function countLosses(): Losses {
  const counts = new Map<string, { ended: number; lost: number }>()

  function shareOf(provider: string): number {
    const { ended, lost } = counts.get(provider) ?? { ended: 0, lost: 0 }
    return Math.round((lost / (ended + trusted)) * steps) / steps
  }

  function count(provider: string, before: KeptRun | undefined, now: KeptRun | undefined): boolean {
    const [was, is] = [endOf(before), endOf(now)]
    if (was === is) return false
    const share = shareOf(provider)
    const { ended, lost } = counts.get(provider) ?? { ended: 0, lost: 0 }
    const next = {
      ended: ended + Number(is !== undefined) - Number(was !== undefined),
      lost: lost + Number(is === 'Lost') - Number(was === 'Lost'),
    }
    if (next.ended === 0) counts.delete(provider)
    else counts.set(provider, next)
    return shareOf(provider) !== share
  }

  return { count, shareOf }
}

/** The owner took the GPUs back, or nobody heard of the run for longer than it may live. A refusal costs seconds and no work. */
function endOf(run: KeptRun | undefined): 'Lost' | 'Other' | undefined {
  const outcome = run && outcomeOf(run)
  if (outcome === undefined || outcome === 'Rejected') return undefined
  return outcome === 'Lapsed' || outcome === 'Reclaimed' ? 'Lost' : 'Other'
}
