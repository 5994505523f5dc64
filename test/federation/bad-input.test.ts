// Wrong manifests and real kubectl against a real API server: each is refused, and the message names the field.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { gpuRun } from '../builders/gpurun.ts'
import { fixedFields, freeFields } from './bad-input/changes.ts'
import { confused } from './bad-input/confused-template.ts'
import { dangerous } from './bad-input/dangerous-template.ts'
import { complaints, kubectlBatch, type Words } from './bad-input/kubectl-batch.ts'
import { late } from './bad-input/late-template.ts'
import { changed, plainJob } from './bad-input/manifest.ts'
import { oddButValid } from './bad-input/odd-but-valid.ts'
import { hubSays, makeProvider, providerSays } from './bad-input/provider-side.ts'
import { spoiltJob } from './bad-input/spoilt-template.ts'
import { type WrongField, wrongJob } from './bad-input/wrong-job.ts'
import { wrongOthers } from './bad-input/wrong-others.ts'
import { traps } from './bad-input/yaml-traps.ts'

const root = new URL('../../', import.meta.url).pathname
let dir: string
let plane: ControlPlane

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bad-input-'))
  plane = await startControlPlane({ name: 'hub', dir: join(dir, 'hub'), controllerManager: false, scheduler: false })
  await plane.kubectl(['apply', '-f', join(root, 'crds')])
  await plane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await plane.kubectl(['create', 'namespace', 'demo'])
}, 600_000)

afterAll(async () => {
  await plane?.[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

function batch(verb: readonly string[], manifests: readonly string[]): Promise<Words> {
  return kubectlBatch({ kubectl: plane.kubectl, dir: join(dir, 'manifests'), verb, manifests })
}

const wrongFields: readonly WrongField[] = [...wrongJob, ...dangerous, ...confused, ...late]
const wrong = [
  ...wrongFields.map(({ name, at, to, says }, index) => ({
    name,
    says,
    manifest: JSON.stringify(changed(plainJob(`wrong-${index}`), at, to)),
  })),
  ...wrongOthers.map(({ name, says, manifest }) => ({ name, says, manifest: JSON.stringify(manifest) })),
  ...traps.map(({ name, spec, says }, index) => ({
    name,
    says,
    manifest: `{ apiVersion: gpucommons.io/v1alpha1, kind: GpuJob, metadata: { name: trap-${index}, namespace: demo }, spec: ${spec} }`,
  })),
]

describe.each([['create'], ['apply']])('kubectl %s refuses', (verb) => {
  let words: Words
  beforeAll(async () => {
    words = await batch(
      [verb],
      wrong.map(({ manifest }) => manifest),
    )
  }, 120_000)

  test.each(wrong.map((row, index) => ({ ...row, index })))('$name', ({ index, says }) => {
    for (const part of says) expect(words[index]).toContain(part)
  })

  test('and leaves nothing behind', async () => {
    const left = await plane.kubectl([
      'get',
      'gpujobs,gpuqueues,providers,gpunodes,providerreports',
      '-A',
      '-o',
      'name',
    ])
    expect(left).toBe('')
  })

  test('what is no YAML, naming the line', async () => {
    const file = 'apiVersion: gpucommons.io/v1alpha1\nkind: GpuJob\nspec:\n\tgpus: { count: 1 }\n'
    expect((await batch([verb], [file]))[0]).toContain('yaml: line 4: found character that cannot start any token')
  })
})

test('kubectl apply refuses what its own annotation cannot hold, and kubectl create takes it', async () => {
  const long = changed(plainJob('long'), 'metadata.annotations', { note: 'x'.repeat(200_000) })
  expect((await batch(['apply'], [JSON.stringify(long)]))[0]).toContain('metadata.annotations: Too long')
  expect((await batch(['create'], [JSON.stringify(long)]))[0]).toBe('')
})

test('without strict validation an unknown field goes, and a dangerous volume is refused all the same', async () => {
  const pod = 'spec.template.spec'
  const manifests = [
    changed(plainJob('misspelled'), 'spec.worker', 4),
    changed(plainJob('host-path'), `${pod}.volumes`, [{ name: 'v', hostPath: { path: '/' } }]),
    changed(plainJob('privileged'), `${pod}.containers[0].securityContext`, { privileged: true }),
  ].map((manifest) => JSON.stringify(manifest))
  const [misspelled, hostPath, privileged] = await batch(['create', '--validate=false'], manifests)

  expect(misspelled).toBe('')
  expect(await plane.kubectl(['get', 'gpujob', '-n', 'demo', 'misspelled', '-o', 'jsonpath={.spec.worker}'])).toBe('')
  expect(hostPath).toContain(`${pod}.volumes[0]: Invalid value`)
  expect(privileged).toContain(`${pod}.containers[0].securityContext.privileged`)
})

describe('what is odd but right is taken by', () => {
  const manifests = oddButValid.map(({ at, to }, index) => JSON.stringify(changed(plainJob(`odd-${index}`), at, to)))
  let words: Readonly<Record<'create' | 'apply', Words>>
  beforeAll(async () => {
    words = { create: await batch(['create', '--dry-run=server'], manifests), apply: await batch(['apply'], manifests) }
  }, 120_000)

  test.each(oddButValid.map((row, index) => ({ ...row, index })))('create and apply: $name', ({ index }) => {
    expect([words.create[index], words.apply[index]]).toEqual(['', ''])
  })
})

describe('what the hub takes, a provider takes', () => {
  beforeAll(() => makeProvider(plane.ask))

  test.each(oddButValid)('$name', async ({ at, to }) => {
    expect(await providerSays(plane.ask, changed(plainJob('odd'), at, to))).toBe('')
  })

  test('of a full template that is spoilt in a place or two', async () => {
    const seen = { taken: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(spoiltJob, async (job) => {
        const taken = (await hubSays(plane.ask, job)) === ''
        seen[taken ? 'taken' : 'refused'] += 1
        expect(taken ? await providerSays(plane.ask, job) : '').toBe('')
      }),
      { numRuns: 400 },
    )
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(40)
  }, 60_000)
})

describe('the examples', () => {
  test('are taken as they are', async () => {
    const examples = join(root, 'crds/examples')
    expect((await readdir(examples)).length).toBeGreaterThan(5)
    // The namespace comes with them, and exists here: apply does not mind.
    expect(await complaints(plane.kubectl, ['apply', '-f', examples])).toBe('')
    const jobs = await plane.kubectl(['get', 'gpujobs', '-n', 'demo', '-o', 'name'])
    expect(jobs).toContain('gpujob.gpucommons.io/gang-4x2')
  })
})

test('a queue may have the most of everything, and nothing at all', async () => {
  const queue = (name: string, spec: unknown) =>
    JSON.stringify({ apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuQueue', metadata: { name }, spec })
  const manifests = [
    queue('nothing', {}),
    queue('weightless', { weight: 0, quota: [], namespaces: [] }),
    queue('q'.repeat(63), {
      parent: 'nobody',
      namespaces: Array.from({ length: 1024 }, (_, i) => `n${i}`),
      quota: Array.from({ length: 64 }, (_, i) => ({ model: `M${i}`, guaranteed: 100_000_000, lendLimit: 0 })),
      weight: 1_000_000_000,
      preemption: { withinQueue: 'LowerPriority', reclaim: 'Never', minRuntimeSeconds: 31_536_000 },
      maxRunning: 0,
      defaults: { priority: 1000, maxRuntimeSeconds: 1 },
    }),
  ]
  expect(await batch(['create'], manifests)).toEqual(['', '', ''])
  expect(await batch(['replace'], manifests)).toEqual(['', '', ''])
})

describe('once a job is created', () => {
  const fixed = fixedFields.map(({ at, to }, index) => JSON.stringify(changed(plainJob(`fixed-${index}`), at, to)))
  const free = freeFields.map(({ at, to }, index) => JSON.stringify(changed(plainJob(`free-${index}`), at, to)))
  let words: Readonly<Record<'apply' | 'replace' | 'free', Words>>

  beforeAll(async () => {
    const created = [
      ...fixedFields.map((_, index) => JSON.stringify(plainJob(`fixed-${index}`))),
      ...freeFields.map((_, index) => JSON.stringify(plainJob(`free-${index}`))),
    ]
    await batch(['apply'], created)
    words = {
      apply: await batch(['apply'], fixed),
      replace: await batch(['replace'], fixed),
      free: await batch(['apply'], free),
    }
  }, 120_000)

  test.each(fixedFields.map((row, index) => ({ ...row, index })))('$at is fixed', ({ index, says }) => {
    for (const said of [words.apply[index], words.replace[index]]) {
      expect(said).toContain(`${says}: Invalid value`)
      expect(said).toContain('is fixed once the job is created')
    }
  })

  test.each(freeFields.map((row, index) => ({ ...row, index })))('$at may change', ({ index }) => {
    expect(words.free[index]).toBe('')
  })
})

describe('a run', () => {
  const runs = '/apis/gpucommons.io/v1alpha1/namespaces/demo/gpuruns'

  async function orderedRun(name: string): Promise<(path: '' | '/status', patch: unknown) => Promise<string>> {
    const { apiVersion, kind, spec } = gpuRun({ job: gpuJob({ name }) })
    const made = await plane.ask(runs, { method: 'POST', body: { apiVersion, kind, metadata: { name }, spec } })
    expect(made.status).toBe(201)
    return async (path, body) => {
      const patch = { method: 'PATCH', body, contentType: 'application/merge-patch+json' } as const
      const answer = await plane.ask(`${runs}/${name}${path}`, patch)
      return answer.status === 200 ? 'taken' : (answer.body as { message: string }).message
    }
  }

  const at = '2026-01-01T00:00:00Z'

  test('is an order: only stop and fenced come later, and stay', async () => {
    const patch = await orderedRun('order')
    expect(await patch('', { spec: { workers: 2 } })).toContain('nothing of it changes but stop and fenced')
    expect(await patch('', { spec: { template: { spec: { restartPolicy: 'Never' } } } })).toContain('nothing of it')
    expect(await patch('', { spec: { stop: { reason: 'Suspended', requestedAt: at } } })).toBe('taken')
    expect(await patch('', { spec: { stop: null } })).toContain('spec.stop')
    expect(await patch('', { spec: { stop: { reason: 'JobDeleted' } } })).toContain('spec.stop')
    expect(await patch('', { spec: { fenced: { recordedAt: at } } })).toBe('taken')
    expect(await patch('', { spec: { fenced: null } })).toContain('spec.fenced')
  })

  test('that is over keeps its outcome', async () => {
    const patch = await orderedRun('over')
    expect(await patch('/status', status({ state: 'Running' }))).toBe('taken')
    expect(await patch('/status', { status: { state: null } })).toContain('not begun')
    expect(await patch('/status', { status: null })).toContain('stays once it is written')
    expect(await patch('/status', status({ state: 'Failed', reason: 'NonZeroExit', exitCode: 1 }))).toBe('taken')
    expect(await patch('/status', status({ state: 'Succeeded' }))).toContain('is final')
    expect(await patch('/status', status({ exitCode: 2 }))).toContain('is final')
    expect(await patch('/status', status({ state: 'Running' }))).toContain('is final')
    expect(await patch('/status', status({ workers: [{ index: 0, node: 'node-1' }] }))).toContain('is final')
    expect(await patch('/status', status({ troubleSince: at }))).toContain('is final')
    expect(await patch('/status', status({ cleanedAt: at }))).toBe('taken')
  })

  test('that is fenced takes no late status, begun or not', async () => {
    const running = await orderedRun('fenced-running')
    expect(await running('/status', status({ state: 'Running' }))).toBe('taken')
    expect(await running('', { spec: { fenced: { recordedAt: at } } })).toBe('taken')
    expect(await running('/status', status({ state: 'Succeeded' }))).toContain('the hub has moved the job away')
    expect(await running('/status', status({ cleanedAt: at }))).toBe('taken')

    const waiting = await orderedRun('fenced-waiting')
    expect(await waiting('', { spec: { fenced: { recordedAt: at } } })).toBe('taken')
    expect(await waiting('/status', status({ state: 'Running' }))).toContain('the hub has moved the job away')
    expect(await waiting('/status', status({ cleanedAt: at }))).toBe('taken')
  })
})

test('a job that is finished keeps its outcome', async () => {
  const path = '/apis/gpucommons.io/v1alpha1/namespaces/demo/gpujobs'
  expect((await plane.ask(path, { method: 'POST', body: plainJob('finished') })).status).toBe(201)
  const at = '2026-01-01T00:00:00Z'
  const patch = async (body: unknown) => {
    const how = { method: 'PATCH', body, contentType: 'application/merge-patch+json' } as const
    const answer = await plane.ask(`${path}/finished/status`, how)
    return answer.status === 200 ? 'taken' : (answer.body as { message: string }).message
  }
  const finished = { type: 'Finished', status: 'True', reason: 'Succeeded', message: 'm', lastTransitionTime: at }
  const outcome = { state: 'Succeeded', why: 'm', lastRun: 1, finishedAt: at }
  expect(await patch(status(outcome))).toContain('says so in its conditions')
  expect(await patch(status({ ...outcome, conditions: [finished] }))).toBe('taken')
  expect(await patch(status({ state: 'Waiting' }))).toContain('is final')
  expect(await patch(status({ lastRun: 2 }))).toContain('is final')
  expect(await patch(status({ finishedAt: null }))).toContain('is final')
  expect(await patch(status({ conditions: [{ ...finished, status: 'False' }] }))).toContain('says so in its conditions')
  expect(await patch({ status: null })).toContain('stays once it is written')
  expect(await patch(status({}))).toBe('taken')
})

function status(more: Record<string, unknown>): Record<string, unknown> {
  return { status: { observedGeneration: 1, ...more } }
}
