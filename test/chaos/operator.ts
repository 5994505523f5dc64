/** Hub and agents under supervisors, on a federation. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
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
  const env = { NODE_COMPILE_CACHE: join(dir, 'compile-cache') }
  await Promise.all([compile('operator/src/hub.ts', env), compile('operator/src/agent.ts', env)])
  const hubUnderSupervision = parts.use(new Supervised({ dir, env, ...(await hubOptions(federation, options)) }))
  const agentsUnderSupervision = new Map<string, Supervised>()
  for (const provider of providers) {
    const agent = new Supervised({ dir, env, ...(await agentOptions(federation, { ...options, provider })) })
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

/** Most of what a start costs is to compile. Node keeps that when a program ends by itself, which none of these ever does. */
function compile(main: string, env: Readonly<Record<string, string>>): Promise<void> {
  const root = join(import.meta.dirname, '..', '..')
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [join(root, main)], { env: { ...process.env, ...env } }, (error) => {
      if (error?.code === 2) resolve()
      else reject(new Error(`${main} without its flags was to end with exit code 2`, { cause: error }))
    })
  })
}
