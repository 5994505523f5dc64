/** The tenants of a chaos run: they order jobs, and suspend, resume and delete some at bad moments. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { createJob } from '../federation/order.ts'
import { group, type Stage } from '../federation/stage.ts'
import type { Act, ChaosPlan, Life, PlannedJob } from './plan.ts'

export interface TenantsOptions {
  readonly plan: Pick<ChaosPlan, 'jobs'>
  readonly namespace: string
  readonly journal: (line: object) => void
}

export class Tenants {
  readonly #stage: Stage
  readonly #options: TenantsOptions
  readonly #waiting: Set<PlannedJob>
  readonly #work: Promise<void>[] = []

  constructor(stage: Stage, options: TenantsOptions) {
    this.#stage = stage
    this.#options = options
    this.#waiting = new Set(options.plan.jobs)
  }

  /** A life of the hub has begun, or the hub has begun its work in it: those jobs come that were to wait for it. */
  hear(batch: number, from: Life['from']): void {
    this.#order((job) => job.batch < batch || (job.batch === batch && (from === 'Ready' || job.from === 'Start')))
  }

  /** Orders what is still to be ordered; resolves when all that they wanted to do is done. */
  async done(): Promise<void> {
    this.#order(() => true)
    await Promise.all(this.#work)
  }

  #order(isDue: (job: PlannedJob) => boolean): void {
    for (const job of [...this.#waiting].filter(isDue)) {
      this.#waiting.delete(job)
      const story = this.#tell(job)
      story.catch(() => undefined) // `done` tells of it.
      this.#work.push(story)
    }
  }

  async #tell({ order, act }: PlannedJob): Promise<void> {
    const { namespace, journal } = this.#options
    const job = await createJob(this.#stage.ask, { namespace, ...order })
    if (!act) return
    await this.#until(job, act.on)
    await sleep(act.afterMs)
    journal({ tenant: act.do, job: order.name, after: act.on })
    if (act.do === 'delete') return this.#ask(job, { method: 'DELETE' })
    await this.#suspend(job, true)
    await sleep(act.forMs)
    journal({ tenant: 'resume', job: order.name })
    await this.#suspend(job, false)
  }

  /** A job that is over has been through all of them. */
  async #until({ metadata: { namespace, name, uid } }: GpuJob, on: Act['on']): Promise<void> {
    if (on === 'Waiting') return
    await this.#stage.jobs.until({
      what: `job ${name} to be ${on}`,
      seconds: 300,
      find: (all) => {
        const job = all.get(`${namespace}/${name}`)
        const { state, placement, finishedAt } = job?.status ?? {}
        const isThere = on === 'Placed' ? placement !== undefined : state === 'Running'
        return (job?.metadata.uid === uid && (isThere || finishedAt !== undefined)) || undefined
      },
      state: () => JSON.stringify(this.#stage.jobs.all.get(`${namespace}/${name}`)?.status),
    })
  }

  #suspend(job: GpuJob, suspend: boolean): Promise<void> {
    return this.#ask(job, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { spec: { suspend } } })
  }

  async #ask({ metadata }: GpuJob, request: Parameters<Stage['ask']>[1]): Promise<void> {
    const path = `${group}/namespaces/${metadata.namespace}/gpujobs/${metadata.name}`
    const { status, body } = await this.#stage.ask(path, request)
    if (status >= 300) throw new Error(`${request?.method} of job ${metadata.name}: ${JSON.stringify(body)}`)
  }
}
