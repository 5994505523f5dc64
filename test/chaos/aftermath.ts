/** What must be so after the jobs of a plan, whatever happened to hub and agents meanwhile. */
import type { GpuJob, GpuJobStatus } from '../../operator/src/api/gpujob.ts'
import { JOB_NAMESPACE_LABEL } from '../../operator/src/api/labels.ts'
import { countBy } from '../federation/figures.ts'
import type { Stage } from '../federation/stage.ts'
import type { Named, Watched } from '../federation/watched.ts'
import type { ChaosPlan } from './plan.ts'
import type { Witness } from './witness.ts'

export function jobsOf(stage: Stage, namespace: string): readonly GpuJob[] {
  return [...stage.jobs.all.values()].filter(({ metadata }) => metadata.namespace === namespace)
}

interface Place {
  readonly witness: Witness
  readonly namespace: string
}

/** Retries wait for ten seconds, a lease of a dead identity lasts fifteen, a vanished pod may take a minute. */
const endSeconds = 240

/** Finished, or gone where its tenant deletes it. */
export async function untilEnded(
  stage: Stage,
  { witness, plan, namespace }: Place & { plan: ChaosPlan },
): Promise<void> {
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

type Outcome = NonNullable<GpuJobStatus['runs']>[number]['outcome']

/** Jobs that ended otherwise than they must, and runs that ended in a way that has no cause here. */
export function wrongEnds(jobs: readonly GpuJob[], plan: ChaosPlan, mayBe: readonly Outcome[]): string[] {
  const ends = endsOf(plan)
  const wrong = jobs.filter(({ metadata, status }) => status?.state !== ends.get(metadata.name))
  const lost = jobs.flatMap(({ metadata: { name }, status }) =>
    (status?.runs ?? [])
      .filter(({ outcome }) => !mayBe.includes(outcome))
      .map((run) => `${name}: run ${run.run} on ${run.provider} was ${run.outcome} (${run.reason}): ${run.message}`),
  )
  return [...wrong.map(({ metadata, status }) => `${metadata.name} is ${status?.state}: ${status?.why}`), ...lost]
}

/** The youngest GpuRuns wait until they are as old as tombstones must be. */
const cleanSeconds = 180

export async function untilClean(stage: Stage, { witness, namespace }: Place): Promise<void> {
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

export function notCleaned({ runs }: Witness): string[] {
  return [...runs.values()]
    .filter(({ gone, last }) => gone && last.status?.cleanedAt === undefined)
    .map(({ last }) => `GpuRun ${last.metadata.name} was deleted before it was cleaned`)
}

interface List {
  readonly items: readonly Named[]
}

/** What the API servers still have of it, asked for anew: what no watch of ours looks at too. */
export async function leftOvers({ ask, sides }: Stage, namespace: string): Promise<string[]> {
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
