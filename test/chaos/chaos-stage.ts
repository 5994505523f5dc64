import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { openStage, type Stage } from '../federation/stage.ts'
import { type SupervisedOperator, superviseOperator } from './operator.ts'

export interface ChaosStage extends Stage {
  readonly supervised: SupervisedOperator
}

/** A hub and three providers with enough GPUs that most jobs run at once, and our programs under supervision. */
export async function openChaosStage(name: string): Promise<ChaosStage> {
  let supervised: SupervisedOperator | undefined
  const stage = await openStage({
    name,
    providers: 3,
    nodes: eightGpusEach,
    namespaces: [],
    hubArgs: ['--tombstone-seconds', '5'],
    agentArgs: ['--heartbeat-seconds', '1'],
    operate: async (federation, options) => (supervised = await superviseOperator(federation, options)),
  })
  if (!supervised) throw new Error('the stage has no operator')
  return { ...stage, supervised, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() }
}

function eightGpusEach(provider: string): NodeManifest[] {
  return [1, 2, 3, 4].map((index) => gpuNode({ name: `${provider}-${index}`, card: 'H100', gpus: 8 }))
}
