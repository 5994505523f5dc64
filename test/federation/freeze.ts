import type { Program } from '../bed/program.ts'

const frozen = new Map<number, Promise<unknown>>()

/**
 * Holds a program still while something is done that it must not see before it is complete. Its sockets stay open and
 * nothing is lost; who asks for the same program meanwhile comes after.
 */
export async function whileFrozen<T>({ pid }: Pick<Program, 'pid'>, act: () => Promise<T>): Promise<T> {
  const before = frozen.get(pid)
  const turn = Promise.withResolvers<void>()
  frozen.set(pid, turn.promise)
  await before
  process.kill(pid, 'SIGSTOP')
  try {
    return await act()
  } finally {
    process.kill(pid, 'SIGCONT')
    turn.resolve()
  }
}
