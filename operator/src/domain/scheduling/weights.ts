// How much it counts where a job goes, as the operator of the federation wants it.

/** What is weighed of a provider for a job. */
export const PROVIDER_SCORES = ['price', 'losses', 'moving'] as const
export type ProviderScore = (typeof PROVIDER_SCORES)[number]

/** And of nodes: `breaking` up those of which nobody has anything. */
export const SCORE_NAMES = [...PROVIDER_SCORES, 'breaking'] as const
export type ScoreName = (typeof SCORE_NAMES)[number]

export interface Weight {
  readonly name: ScoreName
  /** So many GPUs of no use to others are as bad as a score of 1, for each GPU of the job; as one broken node. 0: it does not count. */
  readonly weight: number
}

export const defaultWeights: readonly Weight[] = [
  { name: 'price', weight: 0.5 },
  { name: 'losses', weight: 0.5 },
  { name: 'moving', weight: 0.1 },
  { name: 'breaking', weight: 0.125 },
]

export const mostWeight = 1000

/** @param written such as `price=1,moving=0`; what is not named keeps its default. Throws with what is wrong. */
export function weightsOf(written: string): readonly Weight[] {
  const named = new Map(
    written
      .split(',')
      .filter((part) => part.trim() !== '')
      .map(partOf),
  )
  return defaultWeights.map(({ name, weight }) => ({ name, weight: named.get(name) ?? weight }))
}

function partOf(part: string): [ScoreName, number] {
  const [name = '', value = ''] = part.split('=').map((each) => each.trim())
  const known = SCORE_NAMES.find((each) => each === name)
  if (!known) throw new Error(`${name} is none of ${SCORE_NAMES.join(', ')}`)
  const weight = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (!(weight <= mostWeight)) throw new Error(`${part.trim()} is not a number from 0 to ${mostWeight}`)
  return [known, weight]
}

export function weightOf(weights: readonly Weight[], wanted: ScoreName): number {
  return weights.find(({ name }) => name === wanted)?.weight ?? 0
}
