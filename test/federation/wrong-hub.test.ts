// An empty answer is no order to stop: whatever becomes of the hub, what computes goes on, nothing is started twice, a
// condition says what to do, and doing it brings the federation back to work.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { applyCrds, prepareHub } from '../bed/operator.ts'
import {
  follow,
  harmTo,
  isCleaned,
  jobIs,
  openWrongHubStage,
  providerSays,
  release,
  startLiveJob,
  type WrongHubStage,
  works,
} from './wrong-hub-stage.ts'

let stage: WrongHubStage
beforeAll(async () => {
  stage = await openWrongHubStage('wrong-hub')
}, 120_000)
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
}, 30_000)

const storyMs = 240_000
const kind = (plural: string) => `${plural}.gpucommons.io`

async function removeKinds(...plurals: string[]): Promise<void> {
  await stage.hub.kubectl(['delete', 'crd', '--timeout=60s', ...plurals.map(kind)])
}

/** Does what the condition says at each provider, and waits until both take work. */
async function acceptEverywhere(): Promise<void> {
  for (const { name } of [stage.acme, stage.borealis]) {
    await follow(stage.hub, await providerSays(stage.hub, name, 'Connected=False/HubChanged'))
  }
  for (const { name } of [stage.acme, stage.borealis]) await providerSays(stage.hub, name, 'Ready=True/Ready')
}

test(
  'a Provider deleted and made again',
  async () => {
    const job = await startLiveJob(stage, stage.acme, 'provider-again')
    await stage.hub.kubectl(['delete', 'provider', 'acme'])
    await prepareHub(stage.federation)
    const message = await providerSays(stage.hub, 'acme', 'Ready=False/NameTaken')
    expect(harmTo(stage, job)).toEqual([])

    await follow(stage.hub, message)
    await providerSays(stage.hub, 'acme', 'Ready=True/Ready')
    await works(stage, stage.acme, 'after-provider')
    expect(harmTo(stage, job)).toEqual([])
    await release(job)
    await jobIs(stage.hub, job.name, 'Succeeded')
  },
  storyMs,
)

test(
  'the kind GpuRun deleted and made again',
  async () => {
    const jobs = [
      await startLiveJob(stage, stage.acme, 'runs-again-a'),
      await startLiveJob(stage, stage.borealis, 'runs-again-b'),
    ]
    await removeKinds('gpuruns')
    await applyCrds(stage.hub)
    await acceptEverywhere()
    await works(stage, stage.acme, 'after-runs')
    for (const job of jobs) {
      await jobIs(stage.hub, job.name, 'Running')
      expect(harmTo(stage, job)).toEqual([])
      await release(job)
      await jobIs(stage.hub, job.name, 'Succeeded')
    }
  },
  storyMs,
)

test(
  'the kind GpuJob deleted and made again',
  async () => {
    const stopped = await startLiveJob(stage, stage.acme, 'jobs-again-a')
    const letGo = await startLiveJob(stage, stage.borealis, 'jobs-again-b')
    await removeKinds('gpujobs')
    await applyCrds(stage.hub)
    const toStop = await providerSays(stage.hub, 'acme', 'Ready=False/HubChanged')
    const toLetGo = await providerSays(stage.hub, 'borealis', 'Ready=False/HubChanged')
    expect([...harmTo(stage, stopped), ...harmTo(stage, letGo)]).toEqual([])

    await follow(stage.hub, toStop, /gpujobs-uid=(?!let-go)/)
    await follow(stage.hub, toLetGo, /gpujobs-uid=let-go/)
    for (const { name } of [stage.acme, stage.borealis]) await providerSays(stage.hub, name, 'Ready=True/Ready')
    await isCleaned(stopped)
    await works(stage, stage.borealis, 'after-jobs')
    expect(harmTo(stage, letGo)).toEqual([])
    await release(letGo)
    await isCleaned(letGo)
  },
  storyMs,
)

test(
  'all kinds deleted and made again',
  async () => {
    const job = await startLiveJob(stage, stage.acme, 'all-again')
    await removeKinds('gpujobs', 'gpuruns', 'providers', 'gpunodes', 'providerreports')
    await prepareHub(stage.federation)
    for (const { name } of [stage.acme, stage.borealis]) {
      await follow(stage.hub, await providerSays(stage.hub, name, 'Ready=False/NameTaken'))
    }
    for (const { name } of [stage.acme, stage.borealis])
      await providerSays(stage.hub, name, 'Connected=False/HubChanged')
    expect(harmTo(stage, job)).toEqual([])
    await acceptEverywhere()
    // Accepting is the word that the new order counts, in which nobody orders it any more.
    await isCleaned(job)
    await works(stage, stage.acme, 'after-all')
  },
  storyMs,
)

test.each(['go on', 'are killed'] as const)(
  'etcd set back, while hub and agents %s',
  async (how) => {
    const tag = how === 'go on' ? 'on' : 'killed'
    const before = await startLiveJob(stage, stage.acme, `before-${tag}`)
    await stage.hub.keepState()
    await works(stage, stage.acme, `between-${tag}`)
    const after = await startLiveJob(stage, stage.borealis, `after-${tag}`)

    const programs = [stage.operator.hubUnderSupervision, ...stage.operator.agentsUnderSupervision.values()]
    const back = stage.hub.setBack()
    if (how === 'are killed') for (const program of programs) await program.kill('New')
    await back
    for (const { name } of [stage.acme, stage.borealis])
      await providerSays(stage.hub, name, 'Connected=False/HubChanged')
    expect([...harmTo(stage, before), ...harmTo(stage, after)]).toEqual([])

    await acceptEverywhere()
    await jobIs(stage.hub, before.name, 'Running')
    await works(stage, stage.borealis, `again-${tag}`)
    await isCleaned(after)
    expect(harmTo(stage, before)).toEqual([])
    await release(before)
    await jobIs(stage.hub, before.name, 'Succeeded')
  },
  storyMs,
)
