import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { makeQueue } from '../federation/made-queue.ts'
import { openStage, type Stage } from '../federation/stage.ts'
import { type SupervisedOperator, superviseOperator } from './operator.ts'
import { scarceGpus, scarceLabels } from './plan.ts'

export interface ChaosStage extends Stage {
  readonly supervised: SupervisedOperator
}

/**
 * A hub and three providers with enough GPUs that most jobs run at once, a queue in which the urgent may preempt others,
 * and our programs under supervision.
 */
export async function openChaosStage(name: string): Promise<ChaosStage> {
  let supervised: SupervisedOperator | undefined
  const stage = await openStage({
    name,
    providers: 3,
    nodes: machinesOf,
    namespaces: [],
    hubArgs: ['--tombstone-seconds', '5'],
    agentArgs: ['--heartbeat-seconds', '1'],
    operate: async (federation, options) => (supervised = await superviseOperator(federation, options)),
  })
  if (!supervised) throw new Error('the stage has no operator')
  const preemption = { withinQueue: 'LowerPriority', reclaim: 'Never', minRuntimeSeconds: 0 } as const
  await makeQueue(stage.ask, 'default', { preemption })
  return { ...stage, supervised, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() }
}

function machinesOf(provider: string): NodeManifest[] {
  const plenty = [1, 2, 3, 4].map((index) => gpuNode({ name: `${provider}-${index}`, card: 'H100', gpus: 8 }))
  const few = gpuNode({ name: `${provider}-few`, card: 'H100', gpus: scarceGpus, labels: scarceLabels })
  return provider === 'acme' ? [...plenty, few] : plenty
}
