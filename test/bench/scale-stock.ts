// Tens of thousands of stored jobs within seconds: a few that the real hub carried through their life, copied in etcd.
import { randomUUID } from 'node:crypto'
import { Pool } from 'undici'
import type { ControlPlane } from '../bed/control-plane.ts'
import { pooled } from './pooled.ts'

/** How many jobs of each state are stored; those that run or are finished have their GpuRun. */
export interface Stock {
  readonly finished: number
  readonly running: number
  readonly waiting: number
  readonly suspended: number
}

/** An object as etcd has it, managed fields and all, and what tells a copy of it from others. */
export interface Pattern {
  readonly job: string
  /** Absent for a job that never had one. */
  readonly run?: string
}

export interface Place {
  readonly provider: string
  readonly node: string
}

export interface StockOptions {
  readonly tenant: string
  readonly patterns: Readonly<Record<keyof Stock, Pattern>>
  /** Where the patterns ran. */
  readonly patternPlace: Place
  /** Of the i-th job that runs, or ran. */
  readonly placeOf: (i: number) => Place
  readonly report: (line: string) => void
}

const prefix = '/registry/gpucommons.io'

const connections = 32

/** Memory requests of the waiting jobs, so that they are of several shapes. */
const shapes = 20

/** The texts of a job and, where it has one, its first run. */
export async function patternOf(
  { etcdUrl }: ControlPlane,
  job: { readonly namespace: string; readonly name: string; readonly run?: string },
): Promise<Pattern> {
  await using held = new AsyncDisposableStack()
  const etcd = held.adopt(new Pool(etcdUrl, { connections }), (pool) => pool.close())
  const text = await valueOf(etcd, `${prefix}/gpujobs/${job.namespace}/${job.name}`)
  return job.run === undefined ? { job: text } : { job: text, run: await valueOf(etcd, `${prefix}/gpuruns/${job.run}`) }
}

/** Past the API server, which would take minutes for so many: its watch of etcd brings them to it as if it had written them. */
export async function putStock({ etcdUrl }: ControlPlane, stock: Stock, options: StockOptions): Promise<void> {
  const { tenant, patterns, report } = options
  await using held = new AsyncDisposableStack()
  const etcd = held.adopt(new Pool(etcdUrl, { connections }), (pool) => pool.close())
  for (const state of ['running', 'waiting', 'suspended', 'finished'] as const) {
    // One by one: as with a real API server, no two objects have one resourceVersion.
    await pooled(stock[state], async (i) => {
      const name = `stock-${state}-${i}`
      const { job, run } = copyOf(patterns[state], { ...options, name, i })
      await put(etcd, `${prefix}/gpujobs/${tenant}/${name}`, job)
      if (run) await put(etcd, `${prefix}/gpuruns/${run.key}`, run.text)
    })
    report(`${stock[state]} ${state} jobs are stored`)
  }
}

function copyOf(
  { job, run }: Pattern,
  { name, i, patternPlace, placeOf }: StockOptions & { readonly name: string; readonly i: number },
): { readonly job: string; readonly run?: { readonly key: string; readonly text: string } } {
  const of = metadataOf(job)
  const uid: string = randomUUID()
  const place = placeOf(i)
  const renamed = (text: string) =>
    text
      .replaceAll(of.uid, uid)
      .replaceAll(`${of.name}-${of.uid.slice(0, 8)}`, `${name}-${uid.slice(0, 8)}`)
      .replaceAll(`"${of.name}"`, `"${name}"`)
      .replaceAll(patternPlace.provider, place.provider)
      .replaceAll(patternPlace.node, place.node)
      .replaceAll('"16Gi"', `"${1 + (i % shapes)}Gi"`)
  if (run === undefined) return { job: renamed(job) }
  const text = renamed(run).replaceAll(metadataOf(run).uid, randomUUID())
  const { namespace, name: runName } = metadataOf(text)
  return { job: renamed(job), run: { key: `${namespace}/${runName}`, text } }
}

function metadataOf(text: string): { readonly namespace: string; readonly name: string; readonly uid: string } {
  return (JSON.parse(text) as { metadata: { namespace: string; name: string; uid: string } }).metadata
}

async function valueOf(etcd: Pool, key: string): Promise<string> {
  const { kvs } = (await ask(etcd, '/v3/kv/range', { key: encoded(key) })) as { kvs?: { value: string }[] }
  const [found] = kvs ?? []
  if (!found) throw new Error(`etcd has no ${key}`)
  return Buffer.from(found.value, 'base64').toString()
}

async function put(etcd: Pool, key: string, value: string): Promise<void> {
  await ask(etcd, '/v3/kv/put', { key: encoded(key), value: encoded(value) })
}

async function ask(etcd: Pool, path: string, body: object): Promise<unknown> {
  const answer = await etcd.request({ method: 'POST', path, body: JSON.stringify(body) })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`)
  return JSON.parse(text)
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64')
}
