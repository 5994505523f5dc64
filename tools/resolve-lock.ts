/** A lock between programs of one machine, as a file. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const SQLITE_BUSY = 5

/** Takes the lock, or says `undefined` while another process, or another holder in this one, has it. */
export function tryLock(file: string): Disposable | undefined {
  mkdirSync(dirname(file), { recursive: true })
  // Node has no flock, but SQLite's exclusive transaction is one. The kernel frees it when its holder dies, whatever
  // way that was, so there is no stale lock to recognise, as there would be with a file that holds a pid.
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) return undefined
    throw new Error(`locking ${file}`, { cause })
  }
  return { [Symbol.dispose]: () => database.close() }
}

/** Does the work as soon as the lock is free; `waiting` hears once that it was not. */
export async function whileLocked<T>(file: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  let held = tryLock(file)
  if (!held) waiting()
  while (!held) {
    await sleep(250)
    held = tryLock(file)
  }
  try {
    return await work()
  } finally {
    held[Symbol.dispose]()
  }
}
