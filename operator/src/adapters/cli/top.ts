// kubectl gpu top: how many GPUs there are, and who has them.
import type { GpuNode } from '../../api/gpunode.ts'
import type { GpuQueue } from '../../api/gpuqueue.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import { nodeFact } from '../../domain/inventory/node-fact.ts'
import { bookingOfRun } from '../../domain/lifecycle/engine-facts.ts'
import { providerOf } from '../../domain/lifecycle/gpurun.ts'
import { keptRun } from '../../domain/lifecycle/kept.ts'
import type { KubeClient, KubeObject, Resource } from '../kubernetes/client.ts'
import { gpuNodes, gpuRuns } from '../kubernetes/kinds.ts'
import { type Change, readPages } from '../kubernetes/snapshot.ts'
import { type Answer, table } from './output.ts'
import { allQueues } from './queues.ts'

/** GPUs of one model of one provider. */
interface Stock {
  readonly provider: string
  readonly model: string
  /** Offered, in use or not. */
  gpus: number
  ours: number
  others: number
  free: number
  /** Of nodes that are kept back. */
  withheld: number
}

/** A run may be on a node of which nothing is known any more. */
const unknownModel = 'unknown'

export async function top(client: KubeClient, signal: AbortSignal): Promise<Answer> {
  const each = async <T extends KubeObject>(resource: Resource<T>, look: (object: T) => void) => {
    await readPages({ client, resource, selection: {}, take: ({ object }: Change<T>) => look(object) }, signal)
  }
  const held = new Map<string, number>()
  await each(gpuRuns, (run) => hold(held, run))
  const stocks = new Map<string, Stock>()
  await each(gpuNodes, (node) => stockUp(stocks, held, node))
  for (const [key, gpus] of held) {
    const stock = stockOf(stocks, key.slice(0, key.indexOf('/')), unknownModel)
    stock.ours += gpus
  }
  const gpus = [...stocks.values()].toSorted((a, b) =>
    `${a.provider}/${a.model}` < `${b.provider}/${b.model}` ? -1 : 1,
  )
  const users = (await allQueues(client, signal)).map(userOf).toSorted(byUse)
  return { value: { gpus, queues: users }, text: text(gpus, users) }
}

/** What live runs hold of each node, by provider/node. */
function hold(held: Map<string, number>, run: GpuRun): void {
  const provider = providerOf(run.metadata.namespace)
  const booking = provider === undefined ? undefined : bookingOfRun(keptRun(run), provider)
  for (const { name, workers } of booking?.nodes ?? []) {
    const key = `${provider}/${name}`
    held.set(key, (held.get(key) ?? 0) + workers * (booking?.perWorker.gpus ?? 0))
  }
}

/** Takes out of `held` what is of this node. */
function stockUp(stocks: Map<string, Stock>, held: Map<string, number>, { metadata, spec }: GpuNode): void {
  const provider = providerOf(metadata.namespace)
  if (provider === undefined) return
  const { name, model, gpus, usedByOthers, withheld } = nodeFact(provider, spec)
  const stock = stockOf(stocks, provider, model || unknownModel)
  const key = `${provider}/${name}`
  const ours = held.get(key) ?? 0
  held.delete(key)
  stock.ours += ours
  if (withheld !== undefined) {
    stock.withheld += gpus
    return
  }
  stock.gpus += gpus
  stock.others += usedByOthers.gpus
  stock.free += Math.max(0, gpus - ours - usedByOthers.gpus)
}

function stockOf(stocks: Map<string, Stock>, provider: string, model: string): Stock {
  const key = `${provider}/${model}`
  const stock = stocks.get(key) ?? { provider, model, gpus: 0, ours: 0, others: 0, free: 0, withheld: 0 }
  stocks.set(key, stock)
  return stock
}

type User = ReturnType<typeof userOf>

function userOf({ metadata: { name }, status }: GpuQueue) {
  return {
    name,
    gpus: (status?.usage ?? []).reduce((sum, { gpus }) => sum + gpus, 0),
    used: status?.used ?? '',
    running: status?.running ?? 0,
    waiting: status?.waiting ?? 0,
  }
}

function byUse(a: User, b: User): number {
  return b.gpus - a.gpus || b.waiting - a.waiting || (a.name < b.name ? -1 : 1)
}

function text(stocks: readonly Stock[], users: readonly User[]): string {
  const sum = (of: (stock: Stock) => number) => stocks.reduce((all, stock) => all + of(stock), 0)
  const numbers = ({ gpus, ours, others, free, withheld }: Omit<Stock, 'provider' | 'model'>) =>
    [gpus, ours, others, free, withheld].map(shown)
  const all = {
    gpus: sum(({ gpus }) => gpus),
    ours: sum(({ ours }) => ours),
    others: sum(({ others }) => others),
    free: sum(({ free }) => free),
    withheld: sum(({ withheld }) => withheld),
  }
  const rows = stocks.map((stock) => [stock.provider, stock.model, ...numbers(stock)])
  const gpus = table(
    ['PROVIDER', 'MODEL', 'GPUS', 'OURS', 'OTHERS', 'FREE', 'WITHHELD'],
    [...rows, ['(all)', '', ...numbers(all)]],
  )
  if (users.length === 0) return gpus
  const queues = table(
    ['QUEUE', 'GPUS', 'USED', 'RUNNING', 'WAITING'],
    users.map(({ name, gpus: held, used, running, waiting }) => [
      name,
      shown(held),
      used || '-',
      String(running),
      String(waiting),
    ]),
  )
  return `${gpus}\n\n${queues}`
}

/** A part of a GPU has three digits at the most. */
function shown(gpus: number): string {
  return String(Math.round(gpus * 1000) / 1000)
}
