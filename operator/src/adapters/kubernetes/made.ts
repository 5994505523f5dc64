// An object that has to be there, whoever has made it.
import type { DraftMeta, KubeClient, KubeObject, Resource } from './client.ts'
import { isAlreadyExists } from './errors.ts'

export type Owned = KubeObject & {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly uid: string; readonly name: string }
}

/** The object of that name, made now or there already, whoever made it. */
export async function made<T extends Owned>(
  client: KubeClient,
  resource: Resource<T>,
  object: Parameters<typeof client.create<T>>[1] & { readonly metadata: DraftMeta },
): Promise<T> {
  const { name, namespace } = object.metadata
  // Asked first: after a restart all of it is there, and a write that is refused costs the API server more.
  const there = await client.get(resource, { name, namespace })
  if (there) return there
  try {
    return await client.create(resource, object)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  const found = await client.get(resource, { name, namespace })
  if (!found) throw new Error(`${resource.kind} ${name} was there and is gone`)
  return found
}
