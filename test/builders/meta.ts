import type { ObjectMeta } from '../../operator/src/api/meta.ts'

/** When everything in the tests was made, unless a test says otherwise. */
export const BEGINNING = '2026-01-01T00:00:00Z'

/** What the API server adds to every object. The uid follows from the name, so that equal names are equal objects. */
export function objectMeta(name: string, more: Partial<ObjectMeta> = {}): ObjectMeta {
  return { name, uid: uidOf(name), resourceVersion: '1', generation: 1, creationTimestamp: BEGINNING, ...more }
}

/** A uid that looks like one, the same for the same name. */
export function uidOf(name: string): string {
  let hash = 0x811c9dc5
  for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return `${hash.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
}
