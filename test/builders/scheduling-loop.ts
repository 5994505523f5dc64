// The scheduling loop of a hub with jobs that come and go, and what it decides, as text.
import type { GpuJobSpec, GpuJobStatus } from '../../operator/src/api/gpujob.ts'
import { schedulingLoop } from '../../operator/src/controllers/hub/scheduling.ts'
import { decide } from '../../operator/src/domain/lifecycle/gpujob-steps.ts'
import type { KeptJob, KeptRun } from '../../operator/src/domain/lifecycle/kept.ts'
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import { fakeTime } from '../fakes/time.ts'
import { keptJob } from './kept.ts'
import { uidOf } from './meta.ts'
import { nodeFact, providerFact } from './scheduling.ts'

/** A provider `acme` with one node of eight GPUs, and jobs that come and go. */
export function world({ begun = true, nodes = [nodeFact()] } = {}) {
  const time = fakeTime()
  const engine = createEngine()
  const jobs = new Map<string, KeptJob>()
  const runs = new Map<string, KeptRun[]>()
  const woken: string[] = []
  const passes: number[] = []
  const loop = schedulingLoop(engine, {
    jobOf: (uid) => jobs.get(uid),
    runsOf: (uid) => (runs.get(uid) ?? []).map((run) => ({ run, provider: 'acme' })),
    modelOf: () => 'H100',
    wake: (key, when) => void woken.push(when === 'Soon' ? `${key} soon` : key),
    clock: time.clock,
    timers: time.timers,
    observe: ({ decisions }) => void passes.push(decisions),
  })
  loop.setProvider(providerFact())
  nodes.forEach((node) => loop.setNode(node))
  if (begun) loop.begin()

  function put(job: KeptJob): KeptJob {
    jobs.set(job.metadata.uid, job)
    loop.jobChanged(job.metadata.uid)
    return job
  }
  return {
    time,
    loop,
    passes,
    job: (name: string, spec: Partial<GpuJobSpec> = {}, status?: Partial<GpuJobStatus>) =>
      put(keptJob({ name, spec, ...(status && { status }) })),
    run: (run: KeptRun) => {
      const { uid } = run.spec.job
      runs.set(uid, [...(runs.get(uid) ?? []).filter(({ metadata }) => metadata.name !== run.metadata.name), run])
      loop.jobChanged(uid)
    },
    gone: (name: string) => {
      jobs.delete(uidOf(name))
      runs.delete(uidOf(name))
      loop.jobChanged(uidOf(name))
    },
    /** What is left of it are its runs. */
    jobGone: (name: string) => {
      jobs.delete(uidOf(name))
      loop.jobChanged(uidOf(name))
    },
    /** Lets the pass that is due happen; who was woken since the last time. */
    pass: async () => {
      await time.advance(0)
      return woken
        .splice(0)
        .map((key) => key.replace('team/', ''))
        .join()
    },
    later: (ms: number) => time.advance(ms),
    /** `run@provider:node` */
    choice: (name: string) => {
      const choice = loop.choiceOf(uidOf(name))
      return choice && `${choice.run}@${choice.provider}:${choice.nodes.map((node) => node.name).join()}`
    },
    /** Writes the choice down, as the job's reconciler does. */
    record: (job: KeptJob) => {
      const choice = loop.choiceOf(job.metadata.uid)
      const { status } = decide({ job, run: undefined, choice, explain: () => undefined, now: time.clock.now() })
      return put({ ...job, ...(status && { status }) })
    },
    ...whatIsKnown(engine),
  }
}

function whatIsKnown(engine: Engine) {
  return {
    bookings: () => engine.snapshot().bookings,
    /** Who holds GPUs: `uid8:run×GPUs`. */
    booked: () =>
      engine
        .snapshot()
        .bookings.map(({ uid, run, nodes: of }) => `${nameOf(uid)}:${run}@${of.map(({ name }) => name).join()}`)
        .join(),
    waiting: () =>
      engine
        .snapshot()
        .waiting.map(({ key }) => key.replace('team/', ''))
        .toSorted()
        .join(),
  }
}

function nameOf(uid: string): string {
  return ['train', 'a', 'b', 'c'].find((name) => uidOf(name) === uid) ?? uid
}
