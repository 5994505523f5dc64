// What an engine should know after a story: the same facts, kept in the plainest way.
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import type {
  Booking,
  DemandFact,
  EngineSnapshot,
  JobFact,
  NodeFact,
  ProviderFact,
  QueueFact,
  QueueUsage,
} from '../../operator/src/domain/scheduling/facts.ts'
import { defaultWeights } from '../../operator/src/domain/scheduling/weights.ts'
import type { Step } from './scheduling-stories.ts'

/** What an engine should know, kept in the plainest way. */
export interface Ledger {
  readonly providers: Map<string, ProviderFact>
  readonly nodes: Map<string, NodeFact>
  readonly waiting: Map<string, JobFact>
  readonly bookings: Map<string, Booking>
  readonly queues: Map<string, QueueFact>
  /** As the engine has them: what they should be is said in queues.test.ts. */
  usages: readonly QueueUsage[]
  /** As the engine has it, once it has priced it: what it should be is said in demand.test.ts. */
  demand: readonly DemandFact[]
}

export function world({ providers, nodes, waiting, bookings, queues, usages, demand }: Ledger): EngineSnapshot {
  return {
    providers: [...providers.values()],
    nodes: [...nodes.values()],
    waiting: [...waiting.values()],
    bookings: [...bookings.values()],
    queues: [...queues.values()],
    usages,
    weights: defaultWeights,
    demand,
  }
}

export function take(ledger: Ledger, what: Step, decided: readonly Booking[]): void {
  if (what.do === 'setProvider') ledger.providers.set(what.fact.name, what.fact)
  if (what.do === 'removeProvider') ledger.providers.delete(what.name)
  if (what.do === 'setNode') ledger.nodes.set(`${what.fact.provider}/${what.fact.name}`, what.fact)
  if (what.do === 'removeNode') ledger.nodes.delete(`${what.provider}/${what.name}`)
  if (what.do === 'wait') {
    ledger.waiting.delete(what.job.uid)
    if (!ledger.bookings.has(`${what.job.uid}/${what.job.run}`)) ledger.waiting.set(what.job.uid, what.job)
  }
  if (what.do === 'setQueue') ledger.queues.set(what.fact.name, what.fact)
  if (what.do === 'removeQueue') ledger.queues.delete(what.name)
  if (what.do === 'withdraw') ledger.waiting.delete(what.uid)
  if (what.do === 'release') ledger.bookings.delete(`${what.uid}/${what.run}`)
  for (const each of what.do === 'book' ? [what.booking] : decided) {
    if (ledger.waiting.get(each.uid)?.run === each.run) ledger.waiting.delete(each.uid)
    const { key: _, ...booked } = { key: '', ...each }
    ledger.bookings.set(`${each.uid}/${each.run}`, booked)
  }
}

export function tell(engine: Engine, what: Step): readonly Booking[] {
  if (what.do === 'setProvider') engine.setProvider(what.fact)
  if (what.do === 'removeProvider') engine.removeProvider(what.name)
  if (what.do === 'setNode') engine.setNode(what.fact)
  if (what.do === 'removeNode') engine.removeNode(what.provider, what.name)
  if (what.do === 'wait') engine.wait(what.job)
  if (what.do === 'withdraw') engine.withdraw(what.uid)
  if (what.do === 'book') engine.book(what.booking)
  if (what.do === 'release') engine.release(what.uid, what.run)
  if (what.do === 'setQueue') engine.setQueue(what.fact)
  if (what.do === 'removeQueue') engine.removeQueue(what.name)
  if (what.do === 'setUsage') engine.setUsage(what.usage)
  if (what.do === 'setDemand') engine.setDemand(what.demand)
  return what.do === 'decide' ? engine.decide(what) : []
}

export function emptyLedger(): Ledger {
  const maps = { providers: new Map(), nodes: new Map(), waiting: new Map(), bookings: new Map(), queues: new Map() }
  return { ...maps, usages: [], demand: [] }
}

/** Tells the story to an engine, and calls back before each step is taken over by the ledger. */
export function live(steps: readonly Step[], look: (before: Ledger, what: Step, decided: readonly Booking[]) => void) {
  const engine = createEngine()
  const ledger = emptyLedger()
  for (const what of steps) {
    ledger.usages = engine.snapshot().usages
    const decided = tell(engine, what)
    ledger.demand = engine.snapshot().demand
    look(ledger, what, decided)
    take(ledger, what, decided)
  }
  return { engine, ledger }
}
