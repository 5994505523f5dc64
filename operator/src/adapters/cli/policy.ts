// The queues of another policy: GpuQueues in YAML, as kubectl would apply them.
import { readFile } from 'node:fs/promises'
import { loadAll, YAML11_SCHEMA } from 'js-yaml'
import { z } from 'zod'
import { gpuQueueSpecSchema } from '../../api/gpuqueue.ts'
import { apiVersion } from '../../api/group.ts'
import { queueFact } from '../../domain/lifecycle/gpuqueue-status.ts'
import type { QueueFact } from '../../domain/scheduling/facts.ts'
import { WrongUse } from './wrong-use.ts'

const queueSchema = z.looseObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('GpuQueue'),
  metadata: z.looseObject({ name: z.string().min(1).max(63) }),
  spec: gpuQueueSpecSchema.prefault({}),
})
const listSchema = z.looseObject({ kind: z.literal('List'), items: z.array(z.unknown()).max(100_000) })

/** Throws with the number of the document and the name of the field. */
export async function queuesOf(file: string): Promise<readonly QueueFact[]> {
  try {
    const documents = loadAll(await readFile(file, 'utf8'), { schema: YAML11_SCHEMA })
    const objects = documents
      .filter((one) => one !== undefined && one !== null)
      .flatMap((one) => {
        const list = listSchema.safeParse(one)
        return list.success ? list.data.items : [one]
      })
    return objects.map((one, i) => factOf(one, i + 1))
  } catch (error) {
    throw new WrongUse(`--policy ${file}: ${(error as Error).message}`, { cause: error })
  }
}

function factOf(object: unknown, number: number): QueueFact {
  const checked = queueSchema.safeParse(object)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw new Error(`object ${number}: ${(issue?.path ?? []).join('.')}: ${issue?.message}`)
  }
  const [unknown] = droppedBy((object as { spec?: unknown }).spec, checked.data.spec)
  if (unknown !== undefined) throw new Error(`object ${number}: spec${unknown}: there is no such field`)
  return queueFact(checked.data as unknown as Parameters<typeof queueFact>[0])
}

/** The paths of what was read and is not in what was made of it: a misspelt bound would be none. */
function* droppedBy(read: unknown, made: unknown): Generator<string, void> {
  if (typeof read !== 'object' || read === null) return
  for (const [key, value] of Object.entries(read)) {
    const step = Array.isArray(read) ? `[${key}]` : `.${key}`
    if (typeof made !== 'object' || made === null || !Object.hasOwn(made, key)) yield step
    else for (const rest of droppedBy(value, (made as Record<string, unknown>)[key])) yield step + rest
  }
}
