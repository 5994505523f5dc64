// Jobs that wait, on real API servers: what kubectl gpu explain advises a tenant places the job; who may have a snapshot
// of the engine gets it, and a replay of it decides as the hub does.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { SNAPSHOT_PATH } from '../../operator/src/adapters/http/snapshot-path.ts'
import type { GpuJobSpec, GpuJobStatus } from '../../operator/src/api/gpujob.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { writeKubeconfig } from '../bed/kubeconfig.ts'
import { orderJob } from './ordered-job.ts'
import { openStage, type Stage, sideOf } from './stage.ts'

const run = promisify(execFile)
const cli = join(import.meta.dirname, '..', '..', 'operator', 'src', 'cli.ts')
const namespace = 'asks'
const stranger = 'stranger'

const nodes: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: [gpuNode({ name: 'acme-1', card: 'H100', gpus: 8 })],
  borealis: [gpuNode({ name: 'borealis-1', card: 'L40S', gpus: 4 })],
}

type Spec = Partial<GpuJobSpec>
type Explained = NonNullable<GpuJobStatus['explanation']>

interface Waiting {
  readonly name: string
  readonly spec: Spec
  readonly provider: string
  /** The least change there. */
  readonly says: string
  readonly followed: Spec
}

const l40s = ['L40S']
const cases: readonly Waiting[] = [
  {
    name: 'model',
    spec: { gpus: { count: 1, models: ['B200'] } },
    provider: 'borealis',
    says: 'take model L40S as well (spec.gpus.models)',
    followed: { gpus: { count: 1, models: ['B200', 'L40S'] } },
  },
  {
    name: 'gpus',
    spec: { gpus: { count: 6, models: l40s } },
    provider: 'borealis',
    says: 'ask for 4 GPUs of each worker in place of 6 (spec.gpus.count)',
    followed: { gpus: { count: 4, models: l40s } },
  },
  {
    name: 'workers',
    spec: { workers: 3, gpus: { count: 2, models: l40s } },
    provider: 'borealis',
    says: 'ask for 2 workers in place of 3 (spec.workers)',
    followed: { workers: 2, gpus: { count: 2, models: l40s } },
  },
  {
    name: 'selector',
    spec: { gpus: { count: 1, models: l40s }, placement: { nodeSelector: { disk: 'fast' } } },
    provider: 'borealis',
    says: 'leave disk out of spec.placement.nodeSelector',
    followed: { gpus: { count: 1, models: l40s } },
  },
  {
    name: 'price',
    spec: { gpus: { count: 1, models: l40s }, placement: { maxPricePerGpuHour: '0.50' } },
    provider: 'borealis',
    says: 'pay 0.15 more per GPU and hour (spec.placement.maxPricePerGpuHour: "0.65")',
    followed: { gpus: { count: 1, models: l40s }, placement: { maxPricePerGpuHour: '0.65' } },
  },
]

let stage: Stage
/** By ServiceAccount of the tenant's namespace. */
const kubeconfigs = new Map<string, string>()

beforeAll(async () => {
  stage = await openStage({
    name: 'explain',
    providers: 2,
    nodes: (provider) => nodes[provider] ?? [],
    namespaces: [namespace, stranger],
    agentArgs: ['--heartbeat-seconds', '1'],
  })
  await tenant('editor', 'gpc-tenant-edit')
  await tenant('viewer', 'gpc-tenant-view')
  const { hub } = stage.federation
  const prices = JSON.stringify({ spec: { prices: [{ model: 'L40S', perGpuHour: '0.65' }] } })
  await hub.kubectl(['patch', 'provider', 'borealis', '--type=merge', '-p', prices])
  const filler = { gpus: { count: 8, models: ['H100'] }, maxRuntimeSeconds: 3600 }
  const job = await orderJob(stage, { namespace, name: 'filler', spec: filler, simulate: { how: 'hang' } })
  await job.is('Running')
}, 120_000)

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
}, 30_000)

/** Somebody with a role in the namespace and nothing else; all may look. */
async function tenant(name: string, role: string): Promise<void> {
  const { hub, dir } = stage.federation
  await hub.kubectl(['-n', namespace, 'create', 'serviceaccount', name])
  for (const one of new Set([role, 'gpc-tenant-view'])) {
    const of = ['--clusterrole', one, '--serviceaccount', `${namespace}:${name}`]
    await hub.kubectl(['-n', namespace, 'create', 'rolebinding', `${name}-${one}`, ...of])
  }
  const token = (await hub.kubectl(['-n', namespace, 'create', 'token', name])).trim()
  const file = join(dir, `${name}.kubeconfig`)
  await writeKubeconfig(file, {
    cluster: 'hub',
    url: hub.url,
    ca: await readFile(hub.caFile, 'utf8'),
    user: name,
    token,
    namespace,
  })
  kubeconfigs.set(name, file)
}

async function kubectlGpu(who: string, ...args: readonly string[]): Promise<string> {
  const kubeconfig = kubeconfigs.get(who) ?? stage.federation.hub.kubeconfig
  const { stdout } = await run(process.execPath, [cli, '--kubeconfig', kubeconfig, ...args])
  return stdout
}

async function explained(name: string): Promise<Explained> {
  return JSON.parse(await kubectlGpu('editor', '-o', 'json', 'explain', name))
}

function leastAt({ providers }: Explained, provider: string): string | undefined {
  const [least] = providers.find((one) => one.provider === provider)?.options ?? []
  return least?.changes.map(({ says }) => says).join('; ')
}

describe('kubectl gpu explain', () => {
  test.each(cases)(
    '$name: what it advises a tenant places the job',
    async ({ name, spec, provider, says, followed }) => {
      const job = await orderJob(stage, { namespace, name, spec })
      await job.until('to say why it waits', ({ status }) => status?.waiting !== undefined)
      expect(leastAt(await explained(name), provider)).toBe(says)
      expect(job.runs).toEqual([])
      await job.remove()
      await job.isGone()
      await (await orderJob(stage, { namespace, name, spec: followed })).is('Succeeded')
    },
    60_000,
  )

  test('names the run of the same tenant that is to be waited for, and until when; of another tenant only until when', async () => {
    const spec = { gpus: { count: 8, models: ['H100'] } }
    const job = await orderJob(stage, { namespace, name: 'later', spec })
    await job.says('Placed=False/Waiting')
    expect(leastAt(await explained('later'), 'acme')).toMatch(
      /^wait for run 1 of filler until 20\d\d-.*Z at the latest$/,
    )
    const other = await orderJob(stage, { namespace: stranger, name: 'other', spec })
    await other.says('Placed=False/Waiting')
    const text = await kubectlGpu('admin', 'explain', 'other', '-n', stranger)
    expect(text).toMatch(/wait for another run until 20\d\d-/)
    expect(text).not.toContain('filler')
    await other.remove()
  }, 60_000)

  test('who may only look is told what right it takes', async () => {
    await expect(kubectlGpu('viewer', 'explain', 'later')).rejects.toThrow(
      'to ask, you need the right to patch gpujobs in namespace asks. What its status says: Waiting',
    )
  })
})

describe('a snapshot of the engine', () => {
  const ask = (token?: string) =>
    fetch(`${stage.operator.hub.url}${SNAPSHOT_PATH}`, token ? { headers: { authorization: `Bearer ${token}` } } : {})
  const tokenOf = async (...args: readonly string[]) =>
    (await stage.federation.hub.kubectl(['create', 'token', ...args])).trim()
  const audience = ['--audience', 'gpu-commons-hub']

  test('is refused to who has no token, one that is good elsewhere, or no right', async () => {
    const editor = ['-n', namespace, 'editor']
    const reader = ['-n', 'gpu-commons', 'gpc-snapshot-reader']
    const statuses: number[] = []
    for (const token of [undefined, 'x.y.z', await tokenOf(...reader), await tokenOf(...editor, ...audience)]) {
      const response = await ask(token)
      await response.body?.cancel()
      statuses.push(response.status)
    }
    expect(statuses).toEqual([401, 401, 401, 403])
    await expect(kubectlGpu('editor', 'snapshot', '--address', stage.operator.hub.url)).rejects.toThrow(
      'it takes the right to create serviceaccounts/token of gpc-snapshot-reader in gpu-commons',
    )
  }, 30_000)

  test('is replayed as the hub decides', async () => {
    const text = await kubectlGpu('admin', 'snapshot', '--address', stage.operator.hub.url)
    const file = join(stage.federation.dir, 'snapshot.json')
    await writeFile(file, text)
    expect(await kubectlGpu('admin', 'replay', file)).toBe(
      'asks/later run 1: waits: NotEnoughFreeGpus (1), WrongModel (1)\n',
    )

    const known = JSON.parse(await readFile(file, 'utf8'))
    known.snapshot.bookings = []
    await writeFile(file, JSON.stringify(known))
    const [replayed] = JSON.parse(await kubectlGpu('admin', '-o', 'json', 'replay', file)).decisions
    await stage.federation.hub.kubectl(['-n', namespace, 'delete', 'gpujob', 'filler'])
    const { placement } = await placedLater()
    expect([placement?.run, placement?.provider, placement?.nodes]).toEqual([
      replayed.run,
      replayed.provider,
      replayed.nodes,
    ])
    expect(sideOf(stage, 'acme').name).toBe(replayed.provider)
  }, 60_000)

  async function placedLater(): Promise<GpuJobStatus> {
    return stage.jobs.until({
      what: 'job later to be placed',
      seconds: 40,
      find: (all) => {
        const { status } = all.get(`${namespace}/later`) ?? {}
        return status?.placement ? status : undefined
      },
    })
  }
})
