/** How a program gets into the cache: whole and checked, or not at all. */
import { chmod, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pin } from './resolve-pins.ts'

/** Puts one program into the cache; `write` makes the file at the path it is given. */
export type Install = (pin: Pin, write: (path: string) => Promise<void>) => Promise<void>

const unfinished = '.unfinished-'

/** A folder beside the finished ones, of the same file system, so that a rename can finish it. */
export function unfinishedFolder(cache: string, folder: string): Promise<string> {
  return mkdtemp(join(cache, `${unfinished}${folder}-`))
}

/** Clears what a killed process left half done. Only for who holds the lock of that folder. */
export async function removeUnfinished(cache: string, folder: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (name.startsWith(`${unfinished}${folder}-`)) await rm(join(cache, name), { recursive: true, force: true })
  }
}

export interface Place {
  readonly cache: string
  readonly folder: string
  /** Where the finished program shall be: a file in a folder of its own. */
  readonly path: string
  /** Whether the file runs and is of the right version. */
  readonly check: (path: string) => Promise<boolean>
}

/** Writes under another name, checks, flushes, and only then gives the folder its name. */
export async function install(write: (path: string) => Promise<void>, place: Place): Promise<void> {
  const folder = await unfinishedFolder(place.cache, place.folder)
  try {
    const path = join(folder, place.path.slice(dirname(place.path).length + 1))
    await write(path)
    await chmod(path, 0o755)
    if (!(await place.check(path))) throw new Error(`${path} does not say the version that it should have`)
    await flush(path)
    await rename(folder, dirname(place.path)).catch(async (cause: unknown) => {
      // A machine that shares the cache folder but not its locks may have been first: its program is as good as ours.
      if (!(await stat(place.path).catch(() => undefined))) throw cause
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r')
  await file.sync()
  await file.close()
}
