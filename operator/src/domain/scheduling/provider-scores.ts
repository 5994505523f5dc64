// What speaks against a provider that may take a job, beside how its GPUs are used up: numbers with names, and weights.
import type { JobFact, ProviderFact } from './facts.ts'
import { priceAt } from './filters.ts'
import { PROVIDER_SCORES, type ProviderScore, type Weight, weightOf } from './weights.ts'

/** GPUs of one model at one provider that may take the job. */
export interface ScoredPlace {
  readonly provider: ProviderFact
  readonly model: string
  /** The least price of all such places, whether one of their nodes suits the job or not; in millionths of a currency unit. */
  readonly cheapest: number
}

type Score = (job: JobFact, place: ScoredPlace) => number

/** Each between 0, the best, and 1. */
export const providerScores: Readonly<Record<ProviderScore, Score>> = {
  /** The part of its price that is spent in vain: 0.5 where it costs twice as much as the cheapest. */
  price: (_, { provider, model, cheapest }) => {
    const price = priceAt(provider, model)
    return price > cheapest ? (price - cheapest) / price : 0
  },
  /** The part of the runs there that were lost. */
  losses: (_, { provider: { lostShare = 0 } }) => lostShare,
  /** What it left where it ran last lies elsewhere: images, perhaps checkpoints. */
  moving: ({ ranAt }, { provider: { name } }) => Number(ranAt !== undefined && ranAt !== name),
}

/** @returns in GPUs for each GPU that the job takes. */
export function surchargeOf(job: JobFact, place: ScoredPlace, weights: readonly Weight[]): number {
  return PROVIDER_SCORES.reduce((sum, name) => sum + weightOf(weights, name) * providerScores[name](job, place), 0)
}
