import { setTimeout as sleep } from 'node:timers/promises'
import { waitUntil } from '../bed/child.ts'
import type { SupervisedOperator } from './operator.ts'
import type { ChaosPlan, Life } from './plan.ts'
import type { Supervised } from './supervised.ts'

export interface KillOptions {
  readonly plan: Pick<ChaosPlan, 'hub' | 'agents'>
  readonly journal: (line: object) => void
  /** Hears how far the lives of the hub are. */
  readonly hear: (life: number, from: Life['from']) => void
}

/** Hub and agents at the same time, each life after life; resolves when the last of all that are killed are dead. */
export async function killAll(operator: SupervisedOperator, { plan, journal, hear }: KillOptions): Promise<void> {
  const { hubUnderSupervision, agentsUnderSupervision } = operator
  const lives = [...agentsUnderSupervision].map(([provider, agent]) =>
    killEach(agent, plan.agents.get(provider) ?? [], { journal, isAtWork: async () => true, hear: () => {} }),
  )
  await Promise.all([...lives, killEach(hubUnderSupervision, plan.hub, { journal, isAtWork: leads, hear })])
}

interface Chain extends Omit<KillOptions, 'plan'> {
  /** Being ready is not enough for a hub: it may only stand by. */
  readonly isAtWork: (url: string) => Promise<boolean>
}

async function killEach(
  program: Supervised,
  lives: readonly Life[],
  { journal, isAtWork, hear }: Chain,
): Promise<void> {
  for (const [index, { from, ms, next }] of lives.entries()) {
    hear(index, 'Start')
    if (from === 'Ready') {
      const worksAt = async () => {
        const { url } = await program.ready()
        return (await isAtWork(url)) || undefined
      }
      await waitUntil(worksAt, { what: `${program.name} to work`, seconds: 120 })
      hear(index, 'Ready')
      await sleep(ms)
    } else {
      await sleep(Math.max(0, ms - program.age))
      hear(index, 'Ready')
    }
    journal({ killed: program.name, life: index, from, ms, next })
    await program.kill(next)
  }
}

async function leads(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/metrics`).catch(() => undefined)
  return /^gpucommons_leading 1$/m.test((await answer?.text()) ?? '')
}
