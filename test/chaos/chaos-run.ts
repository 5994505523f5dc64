/** One chaos run on a stage: the jobs of a plan, their tenants, the kills, and then the look at what became of it all. */
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { JOB_NAMESPACE_LABEL } from '../../operator/src/api/labels.ts'
import { countBy, secondsSince } from '../federation/figures.ts'
import { deleteJobs } from '../federation/order.ts'
import { makeNamespace, type Stage } from '../federation/stage.ts'
import type { Named, Watched } from '../federation/watched.ts'
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
  broken.push(...wrongEnds(kept, plan))

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

function jobsOf(stage: Stage, namespace: string): readonly GpuJob[] {
  return [...stage.jobs.all.values()].filter(({ metadata }) => metadata.namespace === namespace)
}

interface Place {
  readonly witness: Witness
  readonly namespace: string
}

/** Retries wait for ten seconds, a lease of a dead identity lasts fifteen, a vanished pod may take a minute. */
const endSeconds = 240

/** Finished, or gone where its tenant deletes it. */
async function untilEnded(stage: Stage, { witness, plan, namespace }: Place & { plan: ChaosPlan }): Promise<void> {
  const ends = endsOf(plan)
  const open = () =>
    [...witness.jobs.values()].filter(({ name, gone, endings }) => {
      return ends.get(name) === 'Gone' ? !gone : endings.length === 0
    })
  await stage.jobs.until({
    what: `all jobs of ${namespace} to end`,
    seconds: endSeconds,
    find: () => open().length === 0 || undefined,
    state: () => JSON.stringify(open().map(({ name, last: { status } }) => [name, status?.state, status?.why])),
  })
}

function endsOf({ jobs }: ChaosPlan): ReadonlyMap<string, ChaosPlan['jobs'][number]['ends']> {
  return new Map(jobs.map(({ order, ends }) => [order.name, ends]))
}

/** Jobs that ended otherwise than they must, and runs that were lost to nothing but our own restarts. */
function wrongEnds(jobs: readonly GpuJob[], plan: ChaosPlan): string[] {
  const ends = endsOf(plan)
  const wrong = jobs.filter(({ metadata, status }) => status?.state !== ends.get(metadata.name))
  const lost = jobs.flatMap(({ metadata: { name }, status }) =>
    (status?.runs ?? [])
      .filter(({ outcome }) => !['Succeeded', 'Failed', 'Stopped'].includes(outcome))
      .map((run) => `${name}: run ${run.run} on ${run.provider} was ${run.outcome} (${run.reason}): ${run.message}`),
  )
  return [...wrong.map(({ metadata, status }) => `${metadata.name} is ${status?.state}: ${status?.why}`), ...lost]
}

/** The youngest GpuRuns wait until they are as old as tombstones must be. */
const cleanSeconds = 180

async function untilClean(stage: Stage, { witness, namespace }: Place): Promise<void> {
  const isOurs = ({ metadata }: Named) => metadata.labels?.[JOB_NAMESPACE_LABEL] === namespace
  const none = async (what: string, kind: Watched<Named>, ours: (object: Named) => boolean) => {
    const left = () => [...kind.all.values()].filter(ours)
    await kind.until({
      what: `the ${what} to vanish`,
      seconds: cleanSeconds,
      find: () => left().length === 0 || undefined,
      state: () =>
        left()
          .map(({ metadata }) => metadata.name)
          .slice(0, 10)
          .join(', '),
    })
  }
  for (const { name, jobs, pods, services } of stage.sides.values()) {
    await none(`Jobs on ${name}`, jobs as unknown as Watched<Named>, isOurs)
    await none(`pods on ${name}`, pods as unknown as Watched<Named>, isOurs)
    await none(`Services on ${name}`, services as unknown as Watched<Named>, isOurs)
  }
  await stage.runs.until({
    what: 'all GpuRuns to be deleted',
    seconds: cleanSeconds,
    find: () => witness.runs.values().every(({ gone }) => gone) || undefined,
    state: () =>
      countBy(
        witness.runs.values().filter(({ gone }) => !gone),
        ({ last: { spec, status } }) => `${status?.state}, stop ${spec.stop?.reason}, cleaned ${status?.cleanedAt}`,
      ),
  })
}

function notCleaned({ runs }: Witness): string[] {
  return [...runs.values()]
    .filter(({ gone, last }) => gone && last.status?.cleanedAt === undefined)
    .map(({ last }) => `GpuRun ${last.metadata.name} was deleted before it was cleaned`)
}

interface List {
  readonly items: readonly Named[]
}

/** What the API servers still have of it, asked for anew: what no watch of ours looks at too. */
async function leftOvers({ ask, sides }: Stage, namespace: string): Promise<string[]> {
  const left: string[] = []
  const selector = `?labelSelector=${encodeURIComponent(`${JOB_NAMESPACE_LABEL}=${namespace}`)}`
  for (const { name, controlPlane } of sides.values()) {
    for (const path of ['/apis/batch/v1/jobs', '/api/v1/pods', '/api/v1/services', '/api/v1/secrets']) {
      const { items } = (await controlPlane.ask(path + selector)).body as List
      left.push(...items.map(({ metadata }) => `left on ${name}: ${path} ${metadata.namespace}/${metadata.name}`))
    }
    const { items } = (await ask(`/api/v1/namespaces/provider-${name}/secrets`)).body as List
    left.push(...items.map(({ metadata }) => `left on the hub: Secret ${metadata.namespace}/${metadata.name}`))
  }
  return left
}
