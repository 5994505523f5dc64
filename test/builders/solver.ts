// HiGHS, for what is compared with the best that there is.
import highsLoader from 'highs'

/** Solves a program in CPLEX LP format to its optimum. */
export type Solve = (program: string) => number

/** @param isExact of a program whose best may be no whole number. */
export async function solver({ isExact = false }: { readonly isExact?: boolean } = {}): Promise<Solve> {
  const highs = await (highsLoader as unknown as typeof highsLoader.default)()
  return (program) => {
    // GPUs are whole: nothing better than the best that is known is left where less than one is missing.
    const gap = isExact ? 0 : 0.99
    const { Status, ObjectiveValue } = highs.solve(program, { output_flag: false, mip_rel_gap: 0, mip_abs_gap: gap })
    if (Status !== 'Optimal') throw new Error(`HiGHS found no optimum: ${Status}`)
    return isExact ? ObjectiveValue : Math.round(ObjectiveValue)
  }
}
