// kubectl gpu queues: who shares what, as a tree: what each is guaranteed, uses, borrows and lends, and who waits.
import { ANY_MODEL, type GpuQueue } from '../../api/gpuqueue.ts'
import { condition } from '../../domain/lifecycle/claims.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { gpuQueues } from '../kubernetes/kinds.ts'
import { type Change, readPages } from '../kubernetes/snapshot.ts'
import { type Answer, table } from './output.ts'

const headings = [
  'NAME',
  'READY',
  'QUOTA',
  'USED',
  'BORROWED',
  'LENT',
  'RUNNING',
  'WAITING',
  'SHARE',
  'FAIR',
  'AVERAGE',
  'WHY',
]

export async function queues(client: KubeClient, signal: AbortSignal): Promise<Answer> {
  const rows = tree(await allQueues(client, signal)).map(({ queue, depth }) => ({ ...rowOf(queue), depth }))
  const text =
    rows.length > 0
      ? table(headings, rows.map(cellsOf))
      : 'There is no GpuQueue: all jobs are in one line, by priority and age, and nothing has a quota'
  return { value: rows, text }
}

export async function allQueues(client: KubeClient, signal: AbortSignal): Promise<readonly GpuQueue[]> {
  const all: GpuQueue[] = []
  const take = ({ object }: Change<GpuQueue>) => void all.push(object)
  await readPages({ client, resource: gpuQueues, selection: {}, take }, signal)
  return all
}

interface Placed {
  readonly queue: GpuQueue
  readonly depth: number
}

/** Each before its parts. What has no parent that is there stands first; rings come last, each beginning anywhere in it. */
function tree(all: readonly GpuQueue[]): readonly Placed[] {
  const sorted = all.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  const names = new Set(sorted.map(({ metadata }) => metadata.name))
  const parts = Map.groupBy(sorted, ({ spec: { parent = '' } }) => (names.has(parent) ? parent : ''))
  const left = new Set(sorted)
  const placed: Placed[] = []
  const place = (root: GpuQueue) => {
    const open: Placed[] = [{ queue: root, depth: 0 }]
    for (let next = open.pop(); next; next = open.pop()) {
      if (!left.delete(next.queue)) continue
      placed.push(next)
      const depth = next.depth + 1
      open.push(...(parts.get(next.queue.metadata.name) ?? []).toReversed().map((queue) => ({ queue, depth })))
    }
  }
  for (const root of parts.get('') ?? []) place(root)
  for (const queue of left) place(queue)
  return placed
}

type Row = ReturnType<typeof rowOf> & { readonly depth: number }

function rowOf({ metadata: { name }, spec, status }: GpuQueue) {
  const ready = condition(status?.conditions, 'Ready')
  return {
    name,
    ...(spec.parent === undefined ? {} : { parent: spec.parent }),
    ready: ready?.status ?? 'Unknown',
    weight: spec.weight,
    quota: spec.quota ?? [],
    used: status?.used ?? '',
    usage: status?.usage ?? [],
    borrowed: status?.borrowed ?? 0,
    lent: status?.lent ?? 0,
    running: status?.running ?? 0,
    waiting: status?.waiting ?? 0,
    pending: status?.pending ?? [],
    ...(status?.share ? { share: status.share } : {}),
    why: ready && ready.reason !== 'Ready' ? `${ready.reason}: ${ready.message}` : '',
  }
}

function cellsOf(row: Row): string[] {
  const { name, depth, ready, quota, used, borrowed, lent, running, waiting, share, why } = row
  return [
    `${'  '.repeat(depth)}${name}`,
    ready,
    quota.map(boundsOf).join(', ') || '-',
    used || '-',
    String(borrowed),
    String(lent),
    String(running),
    String(waiting),
    ...[share?.now, share?.fair, share?.average].map(percent),
    why,
  ]
}

/** `H100 40+8`: guaranteed, and how much more it may borrow; `40+` where it may borrow all. */
function boundsOf({ model, guaranteed, borrowLimit }: Row['quota'][number]): string {
  const more = borrowLimit === 0 ? '' : `+${borrowLimit ?? ''}`
  return `${model === ANY_MODEL ? 'any' : model} ${guaranteed}${more}`
}

function percent(share: number | undefined): string {
  return share === undefined ? '-' : `${(share * 100).toFixed(1)}%`
}
