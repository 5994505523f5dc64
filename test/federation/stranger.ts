import type { Ask } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'

/** An object that is not ours and stands in our way. */
export interface Stranger {
  /** Throws where anything of the object differs from what it was: not a byte, not the version, not the uid. */
  readonly isUntouched: () => Promise<void>
  readonly remove: () => Promise<void>
}

/** @param at of the collection, such as `/api/v1/namespaces` */
export async function placeStranger(ask: Ask, at: string, object: StrangerObject): Promise<Stranger> {
  const made = await ask(at, { method: 'POST', body: object })
  if (made.status !== 201) throw new Error(`creating ${object.metadata.name} at ${at}: ${JSON.stringify(made.body)}`)
  const path = `${at}/${object.metadata.name}`
  if (object['status'] !== undefined) await writeStatus(ask, path, object['status'])
  const seen = async () => JSON.stringify((await ask(path)).body)
  const was = await seen()
  const uid = uidOf(made.body)
  return {
    isUntouched: async () => {
      const is = await seen()
      if (is !== was) throw new Error(`${path} was touched: it was ${was} and is ${is}`)
    },
    remove: async () => {
      const { status, body } = await ask(path, { method: 'DELETE' })
      if (status !== 200 && status !== 202) throw new Error(`deleting ${path}: ${JSON.stringify(body)}`)
      // A namespace goes in its own time; where it was, one of ours may be at once.
      const isGone = async () => uidOf((await ask(path)).body) !== uid || undefined
      await waitUntil(isGone, { what: `${path} to be gone`, seconds: 20 })
    },
  }
}

export interface StrangerObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

/** The API server takes no status with the object itself. */
async function writeStatus(ask: Ask, path: string, status: unknown): Promise<void> {
  const contentType = 'application/merge-patch+json'
  const answer = await ask(`${path}/status`, { method: 'PATCH', contentType, body: { status } })
  if (answer.status !== 200) throw new Error(`writing the status of ${path}: ${JSON.stringify(answer.body)}`)
}

function uidOf(body: unknown): string | undefined {
  return (body as { readonly metadata?: { readonly uid?: string } }).metadata?.uid
}
