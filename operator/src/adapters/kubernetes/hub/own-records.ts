// What this process has recorded itself: it need not read that again, and knows of it what caches that still fill do not.
import type { GpuJob, GpuJobStatus } from '../../../api/gpujob.ts'
import type { KeptJob } from '../../../domain/lifecycle/kept.ts'

export interface OwnRecords {
  /** The job as this process wrote the placement into it, if it has not changed since; given once: the next try reads it anew. */
  readonly take: (job: KeptJob) => GpuJob | undefined
  /** This process was the first to record that run, or to try to, before it had read all: no object of it can be unread. */
  readonly isFirst: (job: KeptJob, run: number) => boolean
  /** Remembers what `write` makes of a status. */
  readonly through: (
    job: KeptJob,
    status: GpuJobStatus,
    write: () => Promise<GpuJob | undefined>,
  ) => Promise<GpuJob | undefined>
}

export function ownRecords({ isSynced }: { readonly isSynced: () => boolean }): OwnRecords {
  const written = new Map<string, GpuJob>()
  const first = new Set<string>()
  const idOf = ({ metadata }: KeptJob, run: number | undefined) => `${metadata.uid}.${run}`

  return {
    take: ({ metadata: { uid, resourceVersion } }) => {
      const own = written.get(uid)
      written.delete(uid)
      return own?.metadata.resourceVersion === resourceVersion ? own : undefined
    },
    isFirst: (job, run) => first.has(idOf(job, run)),
    through: async (job, { placement }, write) => {
      if (placement === undefined || placement.run === job.status?.placement?.run) return write()
      const id = idOf(job, placement.run)
      const isFirstTry = !isSynced() && !first.has(id)
      if (isFirstTry) first.add(id) // Before the write: where its answer is lost, the record may stand.
      const result = await write()
      if (result) written.set(job.metadata.uid, result)
      else if (isFirstTry) first.delete(id) // Another hub may have recorded it.
      return result
    },
  }
}
