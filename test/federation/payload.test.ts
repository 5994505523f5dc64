// Secrets and ConfigMaps that travel with a job: what arrives is what a kubelet at home would have given to the
// containers, what may not travel is said, and nothing is left of it afterwards. All stories run side by side; the two
// that kill a program come when the others are done.
import { afterAll } from '@jest/globals'
import { gpuNode } from '../bed/gpu-nodes.ts'
import type { Program } from '../bed/program.ts'
import { payloadCases } from '../builders/payload-cases.ts'
import { changes } from './payload-changes.ts'
import { agentKilled, hubKilled } from './payload-killed.ts'
import { refusals } from './payload-refusals.ts'
import { acme, endsWithoutTrace, expectAsAtHome, leavesNoSecrets, newTenant, onProvider } from './payload-story.ts'
import { strangers } from './payload-strangers.ts'
import { type Scenarios, testScenarios } from './scenarios.ts'
import type { Stage } from './stage.ts'

const again: Program[] = []
afterAll(async () => {
  for (const program of again) await program.stop()
})

/** One job for each way to use them; at the end of its first worker it is over, and its Job stays for its logs. */
const arrivals: Scenarios = Object.fromEntries(
  payloadCases.map(({ name, kept, pod }) => [
    `arrives: ${name}`,
    async (stage: Stage) => {
      const tenant = await newTenant(stage)
      await tenant.keeps(kept)
      const job = await tenant.orders('uses', { pod, simulate: { seconds: '4' } })
      const there = await onProvider(acme(stage), job)
      expectAsAtHome(there, { pod, kept })
      await job.is('Succeeded')
      await leavesNoSecrets(stage, job)
      await endsWithoutTrace(stage, job)
    },
  ]),
)

const stories: Scenarios = { ...arrivals, ...refusals, ...changes, ...strangers }
const done: Promise<void>[] = []
const told = Object.entries(stories).map(([name, play]) => [
  name,
  (stage: Stage) => {
    const story = play(stage)
    done.push(story.catch(() => {}))
    return story
  },
])

testScenarios(
  {
    name: 'payload',
    providers: 3,
    nodes: (provider) => [1, 2, 3, 4].map((index) => gpuNode({ name: `${provider}-${index}`, card: 'H100', gpus: 8 })),
    namespaces: [],
    hubArgs: ['--tombstone-seconds', '5'],
  },
  {
    ...(Object.fromEntries(told) as Scenarios),
    'an agent that is killed between the Job and its Secrets is followed by one that goes on': (stage) => {
      done.push(Promise.all(done).then(() => agentKilled(stage, again)))
      return done.at(-1) as Promise<void>
    },
    'a hub that is killed between the run and its payload is followed by one that goes on; then nothing is left':
      async (stage) => {
        await Promise.allSettled(done)
        await hubKilled(stage, again)
      },
  },
)
