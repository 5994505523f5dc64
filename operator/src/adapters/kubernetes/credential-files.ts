// Files that say who we are or whom we trust, which others replace while we run: they are looked at for each request
// (microseconds), and read when they have changed.
import { readFileSync, statSync } from 'node:fs'

/** Gives the content, the same Buffer as long as the file has not changed. */
export type Source = () => Buffer

export function fileSource(path: string): Source {
  let read: { readonly content: Buffer; readonly version: string } | undefined
  return () => {
    const { mtimeMs, ino, size } = statSync(path)
    const version = `${mtimeMs} ${ino} ${size}`
    if (read?.version !== version) read = { content: readFileSync(path), version }
    return read.content
  }
}

/** The value of an Authorization header, of a token in a file. */
export function tokenSource(path: string): () => string {
  const content = fileSource(path)
  let made: { readonly from: Buffer; readonly header: string } | undefined
  return () => {
    const from = content()
    if (made?.from !== from) {
      const token = from.toString('utf8').trim()
      if (!token) throw new Error(`the token file ${path} is empty`)
      made = { from, header: `Bearer ${token}` }
    }
    return made.header
  }
}

/** Gives the same object until a part of it has changed. */
export function sameUntilChanged<T extends object>(make: () => T): () => T {
  let last: T | undefined
  return () => {
    const now = make()
    const keys = Object.keys(now) as (keyof T)[]
    if (last && keys.length === Object.keys(last).length && keys.every((key) => now[key] === last?.[key])) return last
    last = now
    return now
  }
}
