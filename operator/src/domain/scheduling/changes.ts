// What would have to be otherwise for a job to be placed: as data, followed on facts, and in words.
import { toTime } from '../../api/time.ts'
import type { JobFact, Taint } from './facts.ts'
import type { Reason } from './reasons.ts'

/** One thing that would have to be otherwise; those from `OwnerRule` on are no numbers or words of the job itself. */
export type Change =
  | { readonly change: 'ProviderSelector'; readonly without: readonly string[] }
  | { readonly change: 'NodeSelector'; readonly without: readonly string[] }
  | { readonly change: 'Models'; readonly also: string }
  | { readonly change: 'GpuMemory'; readonly toMiB: number }
  /** In millionths of a currency unit. */
  | { readonly change: 'MaxPrice'; readonly to: number; readonly by: number }
  | { readonly change: 'Toleration'; readonly of: Taint }
  | ({ readonly change: 'Workers' | 'Gpus' | 'Cpu' | 'Memory' | 'Storage' } & Less)
  /** Of that provider; `way` is what the job could say instead. */
  | { readonly change: 'OwnerRule'; readonly provider: string; readonly rule: Reason; readonly way: string }
  /** The hub keeps the job away from where it failed or was refused. */
  | { readonly change: 'TriedAgain'; readonly provider: string; readonly node?: string }
  | { readonly change: 'ProviderState'; readonly provider: string; readonly reason: Reason }
  /** Until these runs are over, by the time that they declared. */
  | { readonly change: 'Wait'; readonly runs: readonly RunName[]; readonly untilMs?: number }

/** Of each worker but for `Workers`; CPU in milli, memory and storage in MiB. */
interface Less {
  readonly from: number
  readonly to: number
}

export interface RunName {
  readonly uid: string
  readonly run: number
}

/** The job as it would be; what is not of the job leaves it as it is. */
export function followed(job: JobFact, change: Change): JobFact {
  const { perWorker } = job
  switch (change.change) {
    case 'ProviderSelector':
      return { ...job, providerSelector: without(job.providerSelector, change.without) }
    case 'NodeSelector':
      return { ...job, nodeSelector: without(job.nodeSelector, change.without) }
    case 'Models':
      return { ...job, models: [...job.models, change.also] }
    case 'GpuMemory':
      return { ...job, gpuMemoryMiB: change.toMiB }
    case 'MaxPrice':
      return { ...job, maxPrice: change.to }
    case 'Toleration':
      return { ...job, tolerations: [...job.tolerations, change.of] }
    case 'Workers':
      return { ...job, workers: change.to }
    case 'Gpus':
      return { ...job, perWorker: { ...perWorker, gpus: change.to } }
    case 'Cpu':
      return { ...job, perWorker: { ...perWorker, cpuMilli: change.to } }
    case 'Memory':
      return { ...job, perWorker: { ...perWorker, memoryMiB: change.to } }
    case 'Storage':
      return { ...job, perWorker: { ...perWorker, storageMiB: change.to } }
    case 'OwnerRule':
      return { ...job, refusedBy: without(job.refusedBy ?? {}, [change.provider]) }
    case 'TriedAgain':
      return triedAgain(job, change)
    default:
      return job
  }
}

function without<Value>(from: Readonly<Record<string, Value>>, keys: readonly string[]): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key)))
}

function triedAgain(job: JobFact, { provider, node }: Extract<Change, { change: 'TriedAgain' }>): JobFact {
  return node === undefined
    ? { ...job, excludedProviders: job.excludedProviders.filter((name) => name !== provider) }
    : { ...job, avoidNodes: (job.avoidNodes ?? []).filter((name) => name !== `${provider}/${node}`) }
}

/** How much a change costs who has to make it; small shares of what was asked for are the cheapest. */
export function costOf(change: Change): number {
  switch (change.change) {
    case 'ProviderSelector':
    case 'NodeSelector':
      return 0.2 * change.without.length
    case 'Models':
    case 'GpuMemory':
    case 'Toleration':
      return 0.2
    case 'MaxPrice':
      return change.by / change.to
    case 'Workers':
    case 'Gpus':
      return (change.from - change.to) / change.from
    case 'Cpu':
    case 'Memory':
    case 'Storage':
      return (change.from - change.to) / change.from / 2
    case 'OwnerRule':
      return 0.6
    case 'Wait':
      return change.untilMs === undefined ? 0.8 : 0.4
    default:
      return 1
  }
}

/** The field of a GpuJob that is to be changed; absent: none. */
export function fieldOf({ change }: Change): string | undefined {
  return Object.hasOwn(fields, change) ? fields[change as keyof typeof fields] : undefined
}

const fields = {
  ProviderSelector: 'spec.placement.providerSelector',
  NodeSelector: 'spec.placement.nodeSelector',
  Models: 'spec.gpus.models',
  GpuMemory: 'spec.gpus.memory',
  MaxPrice: 'spec.placement.maxPricePerGpuHour',
  Toleration: 'spec.template.spec.tolerations',
  Workers: 'spec.workers',
  Gpus: 'spec.gpus.count',
  Cpu: 'requests of cpu',
  Memory: 'requests of memory',
  Storage: 'limits of ephemeral-storage',
} as const

/** What would stand in that field, or be left out of it; absent: nothing of the job. */
export function valueOf(change: Change): string | undefined {
  switch (change.change) {
    case 'ProviderSelector':
    case 'NodeSelector':
      return change.without.join(',')
    case 'Models':
      return change.also
    case 'GpuMemory':
      return `${change.toMiB}Mi`
    case 'MaxPrice':
      return priceWords(change.to)
    case 'Toleration':
      return taintWords(change.of)
    case 'Workers':
    case 'Gpus':
      return String(change.to)
    case 'Cpu':
      return `${change.to}m`
    case 'Memory':
    case 'Storage':
      return `${change.to}Mi`
    default:
      return undefined
  }
}

/** @param nameOf a run that the reader may know; others are `another run`. */
export function wordsOf(change: Change, nameOf: (run: RunName) => string | undefined): string {
  switch (change.change) {
    case 'ProviderSelector':
    case 'NodeSelector':
      return `leave ${change.without.join(', ')} out of ${fieldOf(change)}`
    case 'Models':
      return `take model ${change.also} as well (${fieldOf(change)})`
    case 'GpuMemory':
      return `ask for ${change.toMiB}Mi of memory of a GPU (${fieldOf(change)})`
    case 'MaxPrice':
      return `pay ${priceWords(change.by)} more per GPU and hour (${fieldOf(change)}: "${priceWords(change.to)}")`
    case 'Toleration':
      return `tolerate taint ${taintWords(change.of)} (${fieldOf(change)})`
    case 'Workers':
      return `ask for ${change.to} workers in place of ${change.from} (${fieldOf(change)})`
    case 'Gpus':
      return `ask for ${change.to} GPUs of each worker in place of ${change.from} (${fieldOf(change)})`
    case 'Cpu':
      return `ask for cpu ${change.to}m of each worker in place of ${change.from}m`
    case 'Memory':
      return `ask for memory ${change.to}Mi of each worker in place of ${change.from}Mi`
    case 'Storage':
      return `ask for ephemeral-storage ${change.to}Mi of each worker in place of ${change.from}Mi`
    case 'OwnerRule':
      return `${change.way} (${change.rule})`
    case 'TriedAgain':
      return `wait until the hub tries ${change.node === undefined ? '' : `node ${change.node} of `}${change.provider} again, or make the job anew`
    case 'ProviderState':
      return stateWords(change)
    case 'Wait':
      return waitWords(change, nameOf)
  }
}

function stateWords({ provider, reason }: Extract<Change, { change: 'ProviderState' }>): string {
  const words: Partial<Record<Reason, string>> = {
    NotConnected: 'is connected again',
    ProviderCordoned: 'takes new jobs again',
    OutsideHours: 'takes jobs at this hour of the week',
  }
  return `wait until provider ${provider} ${words[reason] ?? 'is ready to take jobs'}`
}

/** So many are named; the others are counted. */
const mostNamed = 3

function waitWords(
  { runs, untilMs }: Extract<Change, { change: 'Wait' }>,
  nameOf: (run: RunName) => string | undefined,
): string {
  const names = runs.slice(0, mostNamed).map((run) => nameOf(run) ?? 'another run')
  const more = runs.length > mostNamed ? ` and ${runs.length - mostNamed} more` : ''
  const until = untilMs === undefined ? '' : ` until ${toTime(untilMs)} at the latest`
  return `wait for ${counted(names)}${more}${until}`
}

/** `another run` three times is `3 other runs`. */
function counted(names: readonly string[]): string {
  const others = names.filter((name) => name === 'another run').length
  const known = names.filter((name) => name !== 'another run')
  return [...known, ...(others === 0 ? [] : [others === 1 ? 'another run' : `${others} other runs`])].join(', ')
}

function taintWords({ key, value, effect }: Taint): string {
  return `${key}${value ? `=${value}` : ''}:${effect}`
}

/** As prices are written in a GpuJob. */
function priceWords(millionths: number): string {
  const whole = Math.floor(millionths / 1_000_000)
  const part = String(millionths % 1_000_000)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '')
  return `${whole}.${part}`
}
