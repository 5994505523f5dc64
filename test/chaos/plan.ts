/** What happens in one chaos run: its jobs, what their tenants do to them, and when which program is killed. */
import { seeded } from '../bench/figures.ts'
import type { Order } from '../federation/order.ts'

/** From its start, dead or alive, to its SIGKILL. */
export interface Life {
  /** `Start`: so long after it was started, ready or not. `Ready`: so long after it had begun its work. */
  readonly from: 'Start' | 'Ready'
  readonly ms: number
  /** Of the one that comes after it. A new one has to wait until the lease of the dead one is over. */
  readonly next: 'Same' | 'New'
}

/** What a tenant does, once the job says this state, and so much later. */
export interface Act {
  readonly on: 'Waiting' | 'Placed' | 'Running'
  readonly afterMs: number
  readonly do: 'delete' | 'suspend'
  /** How long it stays suspended. */
  readonly forMs: number
}

export interface PlannedJob {
  readonly order: Omit<Order, 'namespace'>
  /** How its tenant lets it end: `Gone` is deleted midway. */
  readonly ends: 'Succeeded' | 'Failed' | 'Gone'
  readonly act?: Act
  /** In which life of the hub it is created, and whether while it starts or when it works. */
  readonly batch: number
  readonly from: Life['from']
}

export interface ChaosPlan {
  readonly seed: number
  readonly jobs: readonly PlannedJob[]
  readonly hub: readonly Life[]
  /** By provider. */
  readonly agents: ReadonlyMap<string, readonly Life[]>
}

export interface PlanOptions {
  readonly seed: number
  readonly jobs: number
  /** SIGKILLs of the hub, and as many of agents. */
  readonly kills: number
  readonly providers: readonly string[]
  /** There is a machine with few GPUs, `scarceLabels`, for which jobs contend. Without one those jobs are plain. */
  readonly hasScarce?: boolean
}

type Random = () => number

/** The same for the same seed. */
export function chaosPlan({ seed, jobs, kills, providers, hasScarce = false }: PlanOptions): ChaosPlan {
  const random = seeded(seed)
  const turns = Array.from({ length: kills }, () => one(random, providers))
  // A new identity costs as long as a lease lasts, so there are few of them: one hub, two agents.
  const newHub = Math.floor(random() * kills)
  const newAgents = new Set([Math.floor(random() * kills), Math.floor(random() * kills)])
  const agents = turns.map((provider, index) => ({ provider, life: life(random, 3000, newAgents.has(index)) }))
  return {
    seed,
    jobs: Array.from({ length: jobs }, (_, index) =>
      plannedJob(random, { index, batch: Math.floor((index * kills) / jobs), hasScarce }),
    ),
    hub: Array.from({ length: kills }, (_, index) => life(random, 1500, index === newHub)),
    agents: new Map(
      providers.map((name) => [name, agents.flatMap(({ provider, life }) => (provider === name ? [life] : []))]),
    ),
  }
}

/** One in five dies while it starts. */
function life(random: Random, longestMs: number, isFollowedByNew: boolean): Life {
  const from = random() < 0.2 ? 'Start' : 'Ready'
  const ms = Math.floor(random() * (from === 'Start' ? 600 : longestMs))
  return { from, ms, next: isFollowedByNew ? 'New' : 'Same' }
}

const shapes = [
  { workers: 1, gpus: 1 },
  { workers: 1, gpus: 1 },
  { workers: 1, gpus: 1 },
  { workers: 1, gpus: 2 },
  { workers: 1, gpus: 4 },
  { workers: 2, gpus: 1 },
  { workers: 4, gpus: 1 },
] as const

/** One machine of all has few GPUs, for which jobs of two priorities contend. */
export const scarceGpus = 4
export const scarceLabels = { scarce: 'yes' } as const
const scarce = { placement: { nodeSelector: scarceLabels } }

/** Of each hundred jobs. */
const stories = {
  plain: 32,
  contested: 8,
  urgent: 6,
  retried: 10,
  failsByExitCode: 7,
  failsForGood: 7,
  deleted: 12,
  suspended: 18,
} as const

type Story = keyof typeof stories

const deck = Object.entries(stories).flatMap(([story, count]) => Array.from({ length: count }, () => story as Story))

interface Where {
  readonly index: number
  readonly batch: number
  readonly hasScarce: boolean
}

function plannedJob(random: Random, { index, batch, hasScarce }: Where): PlannedJob {
  const drawn = one(random, deck)
  const story = !hasScarce && (drawn === 'contested' || drawn === 'urgent') ? 'plain' : drawn
  const { workers, gpus } = one(random, shapes)
  const name = `job-${index}-${story.toLowerCase()}`
  const seconds = (0.2 + random() * 2.5).toFixed(1)
  const spec = { workers, gpus: { count: gpus } }
  const from = random() < 0.5 ? 'Start' : 'Ready'
  const when = { batch, from } as const
  const plain = { order: { name, spec, simulate: { seconds } }, ends: 'Succeeded', ...when } as const
  switch (story) {
    case 'plain':
      return plain
    case 'contested':
      return { ...plain, order: { name, spec: { ...spec, ...scarce }, simulate: { seconds: '6' } } }
    case 'urgent': {
      const whole = { workers: 1, gpus: { count: scarceGpus }, priority: 5, ...scarce }
      return { ...plain, order: { name, spec: whole, simulate: { seconds } } }
    }
    case 'retried':
      return { ...plain, order: { name, spec, simulate: { seconds, exit: '3', 'fail-until-run': '2' } } }
    case 'failsByExitCode': {
      const retry = { exitCodes: [{ in: [42], action: 'Fail' as const }] }
      return { ...plain, ends: 'Failed', order: { name, spec: { ...spec, retry }, simulate: { seconds, exit: '42' } } }
    }
    case 'failsForGood':
      return {
        ...plain,
        ends: 'Failed',
        order: { name, spec: { ...spec, retry: { limit: 0 } }, simulate: { seconds, exit: '1' } },
      }
    case 'deleted': {
      const act = { on: one(random, states), afterMs: delay(random), do: 'delete', forMs: 0 } as const
      return { ...plain, ends: 'Gone', order: { name, spec, simulate: { seconds: '600' } }, act }
    }
    case 'suspended': {
      const act = { on: one(random, states), afterMs: delay(random), do: 'suspend', forMs: delay(random) * 2 } as const
      return { ...plain, order: { name, spec, simulate: { seconds: '2.5' } }, act }
    }
  }
}

const states = ['Waiting', 'Placed', 'Placed', 'Running', 'Running'] as const

/** Often at once: what has just been written is what a killed program has not told yet. */
function delay(random: Random): number {
  return random() < 0.4 ? 0 : Math.floor(random() * 1500)
}

function one<T>(random: Random, of: readonly T[]): T {
  return of[Math.floor(random() * of.length)] as T
}
