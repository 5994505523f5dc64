import { expect, test } from '@jest/globals'
import { gpuJobSchema } from '../../operator/src/api/gpujob.ts'
import { gpuNodeSchema } from '../../operator/src/api/gpunode.ts'
import { gpuRunSchema } from '../../operator/src/api/gpurun.ts'
import { providerSchema } from '../../operator/src/api/provider.ts'
import { gpuJob } from './gpujob.ts'
import { gpuNode } from './gpunode.ts'
import { gpuRun } from './gpurun.ts'
import { provider } from './provider.ts'

const cases = [
  { name: 'a job', schema: gpuJobSchema, object: gpuJob({ status: {} }) },
  { name: 'a run', schema: gpuRunSchema, object: gpuRun({ status: {} }) },
  { name: 'a node', schema: gpuNodeSchema, object: gpuNode({ status: {} }) },
  { name: 'a provider', schema: providerSchema, object: provider({ status: {} }) },
]

test.each(cases)('$name of the builders is what the API server would return for it', ({ schema, object }) => {
  expect(schema.parse(object)).toEqual({ spec: object.spec, status: object.status })
})
