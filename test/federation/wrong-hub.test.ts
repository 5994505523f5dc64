// An empty answer is no order to stop: whatever becomes of the hub, what computes goes on, nothing is started twice, a
// condition says what to do, and doing it brings the federation back to work.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { waitUntil } from '../bed/child.ts'
import { startControlPlane } from '../bed/control-plane.ts'
import { installAgent } from '../bed/install.ts'
import { applyCrds, hubOptions, prepareHub } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { createJob } from './order.ts'
import { makeNamespace } from './stage.ts'
import {
  changeJob,
  follow,
  harmTo,
  isCleaned,
  jobIs,
  jobSays,
  openWrongHubStage,
  providerSays,
  release,
  startLiveJob,
  tenant,
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
    const forgotten = await createJob(stage.hub.ask, {
      namespace: tenant,
      name: `forgotten-${tag}`,
      spec: { suspend: true },
      simulate: { how: 'hang' },
    })
    await jobIs(stage.hub, forgotten.metadata.name, 'Suspended')
    await stage.hub.keepState()
    await changeJob(stage.hub, forgotten.metadata.name, { suspend: false })
    await jobIs(stage.hub, forgotten.metadata.name, 'Running')
    await works(stage, stage.acme, `between-${tag}`)
    const after = await startLiveJob(stage, stage.borealis, `after-${tag}`)

    const programs = [stage.operator.hubUnderSupervision, ...stage.operator.agentsUnderSupervision.values()]
    const back = stage.hub.setBack()
    if (how === 'are killed') for (const program of programs) await program.kill('New')
    await back
    for (const { name } of [stage.acme, stage.borealis])
      await providerSays(stage.hub, name, 'Connected=False/HubChanged')
    expect([...harmTo(stage, before), ...harmTo(stage, after)]).toEqual([])

    // The hub has no record that this one was ever placed; a provider says that it runs it.
    await changeJob(stage.hub, forgotten.metadata.name, { suspend: false })
    await jobSays(stage.hub, forgotten.metadata.name, 'Placed=False/HubChanged')

    await acceptEverywhere()
    await jobIs(stage.hub, before.name, 'Running')
    await works(stage, stage.borealis, `again-${tag}`)
    await isCleaned(after)
    expect(harmTo(stage, before)).toEqual([])
    await release(before)
    await jobIs(stage.hub, before.name, 'Succeeded')
    await jobIs(stage.hub, forgotten.metadata.name, 'Running')
    expect(stage.mostAtOnce.get(forgotten.metadata.uid)).toBe(1)
    await stage.hub.kubectl(['-n', tenant, 'delete', 'gpujob', forgotten.metadata.name])
  },
  storyMs,
)

test(
  'an agent pointed at an empty hub, and that hub then has a Provider of its name',
  async () => {
    const job = await startLiveJob(stage, stage.acme, 'faithful')
    const { dir } = stage.federation
    const report = () => undefined
    const where = { name: 'other', dir: join(dir, 'other'), controllerManager: true, scheduler: false, report }
    await using other = await startControlPlane({ ...where, binaries: stage.hub.binaries })
    const own = await installAgent(stage.acme.controlPlane)
    const flags = ['--provider', 'acme', '--hub-kubeconfig', other.kubeconfig, '--kubeconfig', own]
    await using lost = await startProgram({
      name: 'agent-lost',
      main: 'operator/src/agent.ts',
      args: [...flags, '--heartbeat-seconds', '1', '--orphan-after-seconds', '1'],
      dir,
      report,
      until: 'Answers',
    })
    await waitsFor(lost, 'HubChanged/LeaseGone')

    const hub = { hub: other, providers: [stage.acme] }
    await prepareHub(hub)
    await using _ = await startProgram({ dir, report, ...(await hubOptions(hub, {})), name: 'hub-other' })
    const toOwner = await waitsFor(lost, 'HubChanged/OtherHub')
    expect(await providerSays(other, 'acme', 'Connected=False/HubChanged')).not.toContain('kubectl')
    expect(harmTo(stage, job)).toEqual([])

    // The owner moves over to the other hub: what the first one ordered is a stranger's there, and goes on.
    await stage.operator.agentsUnderSupervision.get('acme')?.[Symbol.asyncDispose]()
    await follow(stage.acme.controlPlane, toOwner)
    await providerSays(other, 'acme', 'Ready=True/Ready')
    await makeNamespace(other.ask, tenant)
    await works({ hub: other }, stage.acme, 'welcome')
    expect(harmTo(stage, job)).toEqual([])
  },
  storyMs,
)

/** Until its /readyz says this; gives all that it says. */
async function waitsFor({ url }: Program, text: string): Promise<string> {
  const says = async () => {
    const answer = await fetch(`${url}/readyz`)
    const said = await answer.text()
    return said.includes(text) ? said : undefined
  }
  return waitUntil(says, { what: `${url}/readyz to say ${text}`, seconds: 60 })
}
