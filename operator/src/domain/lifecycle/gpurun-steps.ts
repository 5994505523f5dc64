// The life of a GpuRun on its provider, decided from one look at the world: docs in crds/gpurun.md.
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { toMillis, toTime } from '../../api/time.ts'
import { outcomeOf, runId } from './gpurun.ts'
import { cut, type Decision, intend, observed, ourJob } from './gpurun-decision.ts'
import { type Ending, ending, intentOf } from './gpurun-ending.ts'
import type { ProviderJob, Seen } from './gpurun-seen.ts'
import { giveUp, haveStarted } from './gpurun-start.ts'
import { hasEnded, overIn, placesOf, type WorkerRecord } from './worker-records.ts'

type Step = (seen: Seen) => Decision | undefined

/** The life of a run, in order. */
export const steps: readonly Step[] = [
  rest, // Cleaned: nothing of it is left, nothing is to be done.
  clean, // Over, and its job is gone: what is left of it goes too.
  linger, // Over: the Job stays for its logs and leaves by its own clock.
  yieldToNamesake, // What only has our name is not ours.
  finish, // Every worker is over: say how it ended.
  leave, // Its owner takes the cluster out of the federation.
  close, // The hours are over in which its owner takes jobs.
  end, // It has been decided that it must end: by the hub, or because it cannot go on.
  begin,
  release, // An agent that ended between the Job and its Secrets is followed by one that goes on from there.
  meet, // A gang's workers find each other by a Service.
  giveUp, // Workers that found no room in time, or do not start.
  expire, // Longer than it may run.
  run,
]

export function decide(seen: Seen): Decision {
  for (const step of steps) {
    const decision = step(seen)
    if (decision) return decision
  }
  return {}
}

function rest(seen: Seen): Decision | undefined {
  if (seen.run.status?.cleanedAt === undefined) return undefined
  // A Job whose making was under way when nothing was to be seen of it yet.
  const late = ourJob(seen)
  return late && !late.deleting ? { effect: { do: 'deleteJob', job: late } } : {}
}

function clean(seen: Seen): Decision | undefined {
  const { run } = seen
  if (outcomeOf(run) === undefined || !run.spec.stop) return undefined

  const ours = ourJob(seen)
  if (ours) return ours.deleting ? {} : { effect: { do: 'deleteJob', job: ours } }
  if (!isAllGone(seen)) return {}
  return { status: { ...run.status, ...observed(seen), cleanedAt: toTime(seen.now) } }
}

function linger({ run }: Seen): Decision | undefined {
  return outcomeOf(run) === undefined ? undefined : {}
}

function yieldToNamesake(seen: Seen): Decision | undefined {
  const { run, job } = seen
  if (!job || job.runId === runId(run) || seen.workers.length > 0) return undefined
  return over(seen, {
    state: 'Rejected',
    reason: 'NameTaken',
    message:
      "a Job of this run's name is on the provider and was not made for it; the owner of the cluster can remove it",
  })
}

function finish(seen: Seen): Decision | undefined {
  const { run, workers } = seen
  const job = ourJob(seen)
  const begun = workers.length > 0 || job !== undefined
  if (!begun) {
    const how =
      intentOf(run) ??
      (run.spec.stop
        ? ({ state: 'Stopped', reason: 'Stopped', message: 'stopped before it began' } as const)
        : undefined)
    // What was asked for may be there: over is only what has surely not begun.
    if (how && seen.making === 'Unanswered') return { effect: { do: 'findJob' }, recheckMs: 1 }
    return how && over(seen, how)
  }

  const how = ending(seen, job)
  if (how && isProvenBy(job, workers)) return withoutSecrets(over(seen, how), job)

  const waits = workers.map((record) =>
    overIn(record, record.pod.node === undefined ? undefined : seen.node(record.pod.node), seen.boot),
  )
  if (waits.includes(undefined)) return undefined
  const longest = Math.max(0, ...waits.map((ms) => ms ?? 0))

  if (!how) return undefined
  return longest > 0 ? (lost(seen, workers) ?? { recheckMs: longest }) : withoutSecrets(over(seen, how), job)
}

/** The Job stays for its logs; what it was given goes before anybody is told that the run is over. */
function withoutSecrets(decision: Decision, job: ProviderJob | undefined): Decision {
  return job?.secrets === undefined ? decision : { effect: { do: 'removeSecrets', job }, ...decision }
}

/** Only kubelets say Succeeded of a pod, and a Job is complete when they said it of every index: that outlives the pods. */
function isProvenBy(job: ProviderJob | undefined, workers: readonly WorkerRecord[]): boolean {
  return job?.complete === true && workers.every(({ goneSince }) => goneSince !== undefined)
}

function leave(seen: Seen): Decision | undefined {
  const { run, leaving } = seen
  if (!leaving || run.spec.stop || intentOf(run) !== undefined) return undefined
  return intend(seen, 'ProviderLeaves', 'the owner takes this cluster out of the federation')
}

function close(seen: Seen): Decision | undefined {
  const { run, isOpen } = seen
  if (isOpen || run.spec.stop || intentOf(run) !== undefined) return undefined
  return intend(seen, 'OwnerRuleHours', 'it is outside of the hours in which the owner of this cluster takes jobs')
}

function end(seen: Seen): Decision | undefined {
  const { run, workers } = seen
  const job = ourJob(seen)
  const mustEnd = run.spec.stop !== undefined || intentOf(run) !== undefined
  if (!mustEnd) return undefined
  if (job && !job.deleting) return unnamed(seen) ?? { effect: { do: 'deleteJob', job } }
  return lost(seen, workers) ?? {}
}

/** Before they are taken down the status names those who may run: an agent that begins anew would not miss them. */
function unnamed(seen: Seen): Decision | undefined {
  const { run, workers } = seen
  if (run.status?.state === 'Running') return undefined
  const named = new Set(run.status?.workers?.map(({ index }) => index))
  const mayRun = workers.filter(({ pod }) => !hasEnded(pod))
  const isNamed = placesOf(mayRun).every(({ index }) => named.has(index))
  return isNamed ? undefined : { status: { ...run.status, ...observed(seen), workers: placesOf(workers) } }
}

function begin(seen: Seen): Decision | undefined {
  return ourJob(seen) || seen.workers.length > 0 || seen.run.status?.state ? undefined : { effect: { do: 'createJob' } }
}

function release(seen: Seen): Decision | undefined {
  const job = ourJob(seen)
  // Without our Secrets it was its owner who suspended it.
  if (!job?.suspended || job.deleting || job.secrets === undefined) return undefined
  return seen.workers.length > 0 || seen.run.status?.state ? undefined : { effect: { do: 'releaseJob', job } }
}

function meet(seen: Seen): Decision | undefined {
  const job = ourJob(seen)
  if (!job || job.deleting || seen.run.spec.workers === 1 || seen.service === 'Ours') return undefined
  // No watch tells of Services: this pass itself has to see to the next one.
  return { effect: { do: 'createService', job }, recheckMs: 1 }
}

/** The Job's own deadline is later, by the time that the workers may take to be bound: it is for when no agent is there. */
function expire(seen: Seen): Decision | undefined {
  const remaining = untilDeadlineMs(seen)
  if (remaining === undefined || remaining > 0) return undefined
  return intend(seen, 'DeadlineExceeded', `the run took longer than ${seen.run.spec.maxRuntimeSeconds} s`)
}

function untilDeadlineMs({ run: { spec, status }, now }: Seen): number | undefined {
  if (status?.state !== 'Running' || status.startedAt === undefined || spec.maxRuntimeSeconds === undefined)
    return undefined
  return toMillis(status.startedAt) + spec.maxRuntimeSeconds * 1000 - now
}

function run(seen: Seen): Decision | undefined {
  const {
    workers,
    run: { status },
  } = seen
  const missing = lost(seen, workers)
  if (missing) return missing
  const remaining = untilDeadlineMs(seen)
  if (status?.state === 'Running' && status.reason !== 'NodeLost')
    return remaining === undefined ? {} : { recheckMs: remaining }

  if (!haveStarted(seen)) return {}
  const main = workers.map(({ pod }) => pod.containers[0])
  return {
    status: {
      ...statusWithout(status, 'reason', 'message', 'troubleSince'),
      ...observed(seen),
      state: 'Running',
      workers: placesOf(workers),
      startedAt: latest(main.map((container) => container?.startedAt)) ?? toTime(seen.now),
    },
  }
}

/** Says that a worker vanished without a last word, or sits on a node that does not answer; the run is not over. */
function lost(seen: Seen, workers: readonly WorkerRecord[]): Decision | undefined {
  if (seen.run.status?.state !== 'Running' || intentOf(seen.run)) return undefined
  const silent = workers.find(({ pod, goneSince }) => {
    const { node } = pod
    return node !== undefined && !hasEnded(pod) && (goneSince !== undefined || !seen.node(node)?.ready)
  })
  if (!silent) return undefined

  const { index, node = '' } = silent.pod
  const message =
    silent.goneSince === undefined
      ? `worker ${index} is on node ${node}, which does not answer; nobody knows whether it runs`
      : `worker ${index} vanished from node ${node} without a last word of its kubelet; the run is over once that node is Ready`
  const remaining = overIn(silent, seen.node(node), seen.boot)
  return {
    status: { ...seen.run.status, ...observed(seen), reason: 'NodeLost', message },
    ...(remaining === undefined ? {} : { recheckMs: remaining }),
  }
}

function over(seen: Seen, { state, reason, message, exitCode }: Ending): Decision {
  const { run, workers } = seen
  const cleaned = run.spec.stop && isAllGone(seen) ? { cleanedAt: toTime(seen.now) } : {}
  const startedAt = run.status?.startedAt ?? latest(workers.map(({ pod }) => pod.containers[0]?.startedAt))
  return {
    status: {
      ...statusWithout(run.status, 'troubleSince'),
      ...observed(seen),
      ...(workers.length > 0 ? { workers: placesOf(workers) } : {}),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(startedAt === undefined ? {} : { startedAt }),
      state,
      reason,
      message: cut(message),
      finishedAt:
        latest(workers.flatMap(({ pod }) => pod.containers.map(({ finishedAt }) => finishedAt))) ?? toTime(seen.now),
      ...cleaned,
    },
  }
}

function isAllGone(seen: Seen): boolean {
  return !ourJob(seen) && seen.workers.every(({ goneSince }) => goneSince !== undefined)
}

function statusWithout<Key extends keyof GpuRunStatus>(
  status: GpuRunStatus | undefined,
  ...keys: Key[]
): Omit<GpuRunStatus, Key> {
  const entries = Object.entries(status ?? {}).filter(([key]) => !keys.includes(key as Key))
  return Object.fromEntries(entries) as Omit<GpuRunStatus, Key>
}

function latest(times: readonly (string | undefined)[]): string | undefined {
  return times
    .filter((time) => time !== undefined)
    .toSorted((a, b) => toMillis(a) - toMillis(b))
    .at(-1)
}
