/** One chaos run on a stage: the jobs of a plan, their tenants, the kills, and then the look at what became of it all. */
import { secondsSince } from '../federation/figures.ts'
import { deleteJobs } from '../federation/order.ts'
import { makeNamespace, type Stage } from '../federation/stage.ts'
import { jobsOf, leftOvers, notCleaned, untilClean, untilEnded, wrongEnds } from './aftermath.ts'
import { listen } from './journal.ts'
import { killAll } from './kills.ts'
import type { SupervisedOperator } from './operator.ts'
import type { ChaosPlan } from './plan.ts'
import { Tenants } from './tenant.ts'
import { Witness } from './witness.ts'

export interface ChaosOutcome {
  readonly seed: number
  readonly ok: boolean
  readonly jobs: number
  readonly hubKills: number
  readonly agentKills: number
  /** Programs that ended without being killed. */
  readonly endedByThemselves: number
  readonly seconds: number
  /** From the last kill until all jobs had ended. */
  readonly quietSeconds: number
  /** From the deletion of the jobs until nothing was left. */
  readonly cleanSeconds: number
  /** How many runs ended in which way. */
  readonly runs: Readonly<Record<string, number>>
  readonly breaches: readonly string[]
}

export interface ChaosOptions {
  readonly plan: ChaosPlan
  /** Of the tenants; it must not be there yet. */
  readonly namespace: string
  readonly operator: SupervisedOperator
  /** Hears all that happens, one object each: what is needed to see why. */
  readonly journal: (line: object) => void
}

export async function chaosRun(
  stage: Stage,
  { plan, namespace, operator, journal }: ChaosOptions,
): Promise<ChaosOutcome> {
  const { hubUnderSupervision: hub, agentsUnderSupervision } = operator
  const agents = [...agentsUnderSupervision.values()]
  const killsBefore = { hub: hub.kills, agents: killsOf(agents) }
  const endingsBefore = [hub, ...agents].flatMap(({ endings }) => endings).length
  const begun = performance.now()
  const witness = new Witness(namespace)
  const silence = listen(stage, { witness, namespace, journal })
  await makeNamespace(stage.ask, namespace)
  const tenants = new Tenants(stage, { plan, namespace, journal })

  const broken: string[] = []
  const note = (error: unknown) => void broken.push(String(error))
  await killAll(operator, { plan, journal, hear: (life, from) => tenants.hear(life, from) })
  const quiet = performance.now()
  await tenants.done().catch(note)
  await untilEnded(stage, { witness, plan, namespace }).catch(note)
  const quietSeconds = secondsSince(quiet)
  const kept = jobsOf(stage, namespace)
  broken.push(...wrongEnds(kept, plan, ['Succeeded', 'Failed', 'Stopped']))

  const cleaning = performance.now()
  await deleteJobs(stage.ask, kept)
  await untilClean(stage, { witness, namespace }).catch(note)
  const breaches = [...broken, ...(await leftOvers(stage, namespace)), ...notCleaned(witness), ...witness.breaches()]
  silence()
  const endings = [hub, ...agents].flatMap(({ endings }) => endings)
  journal({ breaches, endings })
  return {
    seed: plan.seed,
    ok: breaches.length === 0,
    jobs: witness.jobs.size,
    hubKills: hub.kills - killsBefore.hub,
    agentKills: killsOf(agents) - killsBefore.agents,
    endedByThemselves: endings.length - endingsBefore,
    seconds: secondsSince(begun),
    quietSeconds,
    cleanSeconds: secondsSince(cleaning),
    runs: witness.outcomes(),
    breaches,
  }
}

function killsOf(agents: readonly { readonly kills: number }[]): number {
  return agents.reduce((sum, { kills }) => sum + kills, 0)
}
