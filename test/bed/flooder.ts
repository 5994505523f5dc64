/** An agent that means evil: all that its credential lets it send, as fast as it is answered, until it is told to end. */
import { readFile } from 'node:fs/promises'
import { Pool } from 'undici'
import { gpuNode } from '../builders/gpunode.ts'
import type { FloodOptions } from './flood.ts'

const { url, caFile, token, namespace, inFlight, nodes, run } = JSON.parse(process.argv[2] ?? '') as FloodOptions

const pool = new Pool(url, {
  connect: { ca: await readFile(caFile, 'utf8') },
  allowH2: false,
  connections: inFlight,
})
const group = `/apis/gpucommons.io/v1alpha1/namespaces/${namespace}`
const merge = 'application/merge-patch+json'

interface Sent {
  readonly method: 'POST' | 'PATCH'
  readonly path: string
  readonly body: string
  readonly contentType?: string
}

const megabyte = nodeOf('flood-big', 'x'.repeat(2 ** 20))
let made = 0

function nodeOf(name: string, message?: string): string {
  const { spec } = gpuNode({ gpus: 8 })
  const claim = { ...spec, node: name, ...(message === undefined ? {} : { message }) }
  return JSON.stringify({ apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuNode', metadata: { name }, spec: claim })
}

const acts: Readonly<Record<string, () => Sent | undefined>> = {
  node: () => {
    if (made === nodes) return undefined
    return { method: 'POST', path: `${group}/gpunodes`, body: nodeOf(`flood-${process.pid}-${made++}`) }
  },
  megabyte: () => ({ method: 'POST', path: `${group}/gpunodes`, body: megabyte }),
  status: () => {
    if (run === undefined) return undefined
    const body = JSON.stringify({ status: { observedGeneration: 1, message: `flood ${Math.random()}` } })
    return { method: 'PATCH', path: `${group}/gpuruns/${run}/status`, body, contentType: merge }
  },
  heartbeat: () => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/agent`
    const body = JSON.stringify({ spec: { renewTime: new Date().toISOString().replace('Z', '000Z') } })
    return { method: 'PATCH', path, body, contentType: merge }
  },
}

/** By what was sent and what was answered. */
const answers: Record<string, number> = {}
const ending = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort())

async function send(name: string, { method, path, body, contentType = 'application/json' }: Sent): Promise<void> {
  let said = 'broken off'
  try {
    const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
    const answer = await pool.request({ method, path, headers, body, signal: ending.signal })
    said = String(answer.statusCode)
    await answer.body.dump()
  } catch {
    if (ending.signal.aborted) return
  }
  answers[`${name} ${said}`] = (answers[`${name} ${said}`] ?? 0) + 1
}

async function flood(first: number): Promise<void> {
  const names = Object.keys(acts)
  for (let turn = first; !ending.signal.aborted; turn++) {
    const name = names[turn % names.length] ?? ''
    const what = acts[name]?.()
    if (what) await send(name, what)
  }
}

await Promise.all(Array.from({ length: inFlight }, (_, index) => flood(index)))
await pool.destroy()
process.stdout.write(`${JSON.stringify(answers)}\n`)
