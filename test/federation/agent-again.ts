/** An agent of a provider whose first one has ended. */
import { join } from 'node:path'
import { installAgent } from '../bed/install.ts'
import { type OwnersRules, rulesArgs } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import type { ProviderSide, Stage } from './stage.ts'

export async function startAgentAgain(
  { federation: { dir } }: Stage,
  { name, controlPlane }: ProviderSide,
  rules?: OwnersRules,
): Promise<Program> {
  const kubeconfigs = [
    '--hub-kubeconfig',
    join(dir, `agent-${name}.kubeconfig`),
    '--kubeconfig',
    await installAgent(controlPlane),
  ]
  return startProgram({
    dir,
    name: `agent-${name}-again`,
    main: 'operator/src/agent.ts',
    args: [
      '--provider',
      name,
      ...kubeconfigs,
      '--heartbeat-seconds',
      '1',
      ...(await rulesArgs({ dir, provider: name, rules })),
    ],
  })
}
