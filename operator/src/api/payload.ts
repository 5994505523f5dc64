// How the hub hands the Secrets and ConfigMaps of a run to the agent: as one Secret beside the GpuRun.
import { z } from 'zod'
import { contentKey, objectName } from './fields.ts'

/** The key of that Secret under which the list of its contents stands. */
export const INDEX_KEY = 'index'

/**
 * Key `<i>.<k>` of the Secret has the value of the k-th key of the i-th of these; the names themselves may be too long
 * for a key. What was in `binaryData` of a ConfigMap can be a file, never a variable.
 */
export const payloadIndexSchema = z
  .array(
    z.strictObject({
      kind: z.enum(['Secret', 'ConfigMap']),
      name: objectName(),
      keys: z.array(contentKey()).max(65_536),
      binaryKeys: z.array(contentKey()).max(65_536),
    }),
  )
  .max(1024)
