// Which change wakes which controller of the agent.

import type { GpuRun } from '../../../api/gpurun.ts'
import type { Leaving } from '../../../controllers/agent/leaving.ts'
import type { Opening } from '../../../controllers/agent/opening.ts'
import type { WorkQueue } from '../../../controllers/work-queue.ts'
import { runId } from '../../../domain/lifecycle/gpurun.ts'
import type { WorkerRecords } from '../../../domain/lifecycle/worker-records.ts'
import { keyOf } from '../store.ts'
import { type AgentCaches, isOfRun } from './caches.ts'

export interface AgentQueues {
  readonly runs: WorkQueue
  readonly nodes: WorkQueue
  /** By key of the Job. */
  readonly orphans: WorkQueue
}

export interface AgentWiring {
  readonly queues: AgentQueues
  readonly leaving: Leaving
  readonly opening: Opening
  /** Of the session. */
  readonly signal: AbortSignal
  readonly records: WorkerRecords
  /** Boot clock, milliseconds. */
  readonly boot: () => number
}

/** Call when the caches are filled: what is there already is told first, in one go with what comes. */
export function wireAgent(
  { runs, claims, nodes, pods, jobs }: AgentCaches,
  { queues, records, boot, leaving, opening, signal }: AgentWiring,
): void {
  const isOrdered = isOfRun(runs)
  const wakeRun = (id: string | undefined) => {
    const run = id === undefined ? undefined : runs.by('id', id)[0]
    if (run) queues.runs.add(keyOf(run.metadata))
  }
  const findMissed = (run: GpuRun) => {
    const podsCounted = jobs.by('run', runId(run))[0]?.job.podsCounted ?? 0
    records.missed(run, { bootMs: boot(), podsCounted })
  }

  runs.subscribe(({ key, type, object }) => {
    const id = runId(object)
    if (type === 'deleted') records.forget(id)
    if (type !== 'modified') {
      // The time of its Job without an order begins, or ends.
      for (const { metadata } of jobs.by('run', id)) queues.orphans.add(keyOf(metadata))
      for (const { ours, node } of pods.by('run', id)) {
        // A run that was made again: what runs for it is told anew.
        if (type === 'added' && ours) records.seen(ours)
        if (node !== undefined) queues.nodes.add(node)
      }
    }
    if (type === 'added') findMissed(object)
    queues.runs.add(key)
  })
  jobs.subscribe(({ key, type, object }) => {
    wakeRun(object.job.runId)
    if (type === 'added') queues.orphans.add(key)
  })
  pods.subscribe(({ type, object: { ours, takes, node }, previous }) => {
    if (ours) {
      if (type === 'deleted') records.gone(ours, boot())
      else records.seen(ours)
      wakeRun(ours.runId)
    }
    // What a run takes is the hub's arithmetic: only the others move a claim, and pods whose run is gone.
    if (isOrdered(takes)) return
    if (
      node !== undefined &&
      (type !== 'modified' || previous?.node !== node || previous.takes.status?.phase !== takes.status?.phase)
    )
      queues.nodes.add(node)
  })
  nodes.subscribe(({ key, object, previous }) => {
    queues.nodes.add(key)
    if (object.ready === previous?.ready) return
    for (const id of records.runsOn(key)) wakeRun(id) // Also those whose pods are gone and that wait for this node.
  })
  const lookAtAllRuns = () => {
    for (const key of runs.keys()) queues.runs.add(key)
  }
  const endAllRuns = () => {
    if (leaving.isAsked && claims.size === 0) lookAtAllRuns()
  }
  claims.subscribe(({ object }) => {
    queues.nodes.add(object.metadata.name)
    endAllRuns()
  })
  leaving.subscribe(() => {
    endAllRuns()
    for (const { metadata } of claims.values()) queues.nodes.add(metadata.name)
  }, signal)

  opening.subscribe(lookAtAllRuns, signal)

  for (const { ours } of pods.values()) if (ours) records.seen(ours)
  for (const run of runs.values()) findMissed(run)
  lookAtAllRuns()
  for (const key of jobs.keys()) queues.orphans.add(key)
  for (const key of nodes.keys()) queues.nodes.add(key)
  // A node that is gone since the last start left its claim behind.
  for (const { metadata } of claims.values()) queues.nodes.add(metadata.name)
}
