/** Hub and agents under supervisors, on a federation. */
import type { Federation } from '../bed/federation.ts'
import { agentOptions, hubOptions, type Operator, type OperatorOptions, prepareHub } from '../bed/operator.ts'
import { Supervised } from './supervised.ts'

export interface SupervisedOperator extends Operator {
  readonly hubUnderSupervision: Supervised
  /** By provider. */
  readonly agentsUnderSupervision: ReadonlyMap<string, Supervised>
}

/** As `startOperator` does, but whoever dies is started again. What it gives as `hub` and `agents` are the first of them. */
export async function superviseOperator(federation: Federation, options: OperatorOptions): Promise<SupervisedOperator> {
  const { providers, dir } = federation
  await prepareHub(federation)
  await using parts = new AsyncDisposableStack()
  const hubUnderSupervision = parts.use(new Supervised({ dir, ...(await hubOptions(federation, options)) }))
  const agentsUnderSupervision = new Map<string, Supervised>()
  for (const provider of providers) {
    const agent = new Supervised({ dir, ...(await agentOptions(federation, { ...options, provider })) })
    agentsUnderSupervision.set(provider.name, parts.use(agent))
  }
  const agents = [...agentsUnderSupervision].map(async ([name, agent]) => [name, await agent.ready()] as const)
  const operator = { hub: await hubUnderSupervision.ready(), agents: new Map(await Promise.all(agents)) }
  const held = parts.move()
  return {
    ...operator,
    hubUnderSupervision,
    agentsUnderSupervision,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
