/** One GpuJob and everything that is made for it, told by the API servers. */
import type { GpuJob, GpuJobSpec, GpuJobStatus } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { JOB_UID_LABEL } from '../../operator/src/api/labels.ts'
import { createJob, type Order } from './order.ts'
import { group, type ProviderSide, type Stage } from './stage.ts'
import type { Named, Watched } from './watched.ts'

export class OrderedJob {
  readonly uid: string
  readonly #stage: Stage
  readonly #key: string

  constructor(stage: Stage, { metadata: { namespace, name, uid } }: GpuJob) {
    this.uid = uid
    this.#stage = stage
    this.#key = `${namespace}/${name}`
  }

  /** @param what completes "waited for job x" */
  until(what: string, holds: (job: GpuJob) => boolean, seconds = 40): Promise<GpuJob> {
    return this.#stage.jobs.until({
      what: `job ${this.#key} ${what}`,
      seconds,
      find: (all) => {
        const job = all.get(this.#key)
        return job?.metadata.uid === this.uid && holds(job) ? job : undefined
      },
      state: () => JSON.stringify(this.#stage.jobs.all.get(this.#key)?.status),
    })
  }

  is(state: GpuJobStatus['state'], seconds?: number): Promise<GpuJob> {
    return this.until(`to be ${state}`, ({ status }) => status?.state === state, seconds)
  }

  /** @param claim such as `Placed=False/NameTaken` */
  says(claim: string, seconds?: number): Promise<GpuJob> {
    const holds = ({ status }: GpuJob) => status?.conditions.some((one) => claimText(one) === claim) ?? false
    return this.until(`to say ${claim}`, holds, seconds)
  }

  async change(spec: Partial<GpuJobSpec>): Promise<void> {
    await this.#ask({ method: 'PATCH', contentType: 'application/merge-patch+json', body: { spec } })
  }

  async remove(): Promise<void> {
    await this.#ask({ method: 'DELETE' })
  }

  /** Every GpuRun that was ever made for it, as last seen, by number. */
  get runs(): readonly GpuRun[] {
    return [...this.#stage.runsEver.values()]
      .filter(({ spec }) => spec.job.uid === this.uid)
      .toSorted((a, b) => a.spec.run - b.spec.run)
  }

  /** The provider on which its run is placed. */
  async side(): Promise<ProviderSide> {
    const job = await this.until('to be placed', ({ status }) => status?.placement !== undefined)
    const side = this.#stage.sides.get(job.status?.placement?.provider ?? '')
    if (!side) throw new Error(`job ${this.#key} is placed on a provider that the stage does not have`)
    return side
  }

  async isGone(seconds = 20): Promise<void> {
    await this.#stage.jobs.until({
      what: `job ${this.#key} to be gone`,
      seconds,
      find: (all) => all.get(this.#key)?.metadata.uid !== this.uid || undefined,
    })
  }

  /** Waits until no provider has anything of it and its GpuRuns, cleaned, are deleted. */
  async leavesNothing(seconds = 40): Promise<void> {
    for (const side of this.#stage.sides.values()) await this.isOff(side, seconds)
    await this.#stage.runs.until({
      what: `the GpuRuns of ${this.#key} to be deleted`,
      seconds,
      find: (all) => all.values().every(({ spec }) => spec.job.uid !== this.uid) || undefined,
      state: () => JSON.stringify(this.runs.map(({ spec, status }) => [spec.stop, status])),
    })
    const notCleaned = this.runs.filter(({ status }) => status?.cleanedAt === undefined)
    if (notCleaned.length > 0) throw new Error(`deleted before it was cleaned: ${JSON.stringify(notCleaned)}`)
  }

  /** Waits until a provider has no Job, pod or Service of it. */
  async isOff({ name, pods, jobs, services }: ProviderSide, seconds = 40): Promise<void> {
    const none = async <T extends Named>(what: string, kind: Watched<T>) => {
      const isOurs = ({ metadata }: T) => metadata.labels?.[JOB_UID_LABEL] === this.uid
      await kind.until({
        what: `the ${what} of ${this.#key} to vanish from ${name}`,
        seconds,
        find: (all) => !all.values().some(isOurs) || undefined,
      })
    }
    await none('Jobs', jobs)
    await none('pods', pods)
    await none('Services', services)
  }

  async #ask(request: Parameters<Stage['ask']>[1]): Promise<void> {
    const [namespace, name] = this.#key.split('/')
    const { status, body } = await this.#stage.ask(`${group}/namespaces/${namespace}/gpujobs/${name}`, request)
    if (status >= 300) throw new Error(`${request?.method} of job ${this.#key}: ${JSON.stringify(body)}`)
  }
}

export async function orderJob(stage: Stage, order: Order): Promise<OrderedJob> {
  return new OrderedJob(stage, await createJob(stage.ask, order))
}

/** `<type>=<status>/<reason>` */
export function claimText({ type, status, reason }: { type: string; status: string; reason: string }): string {
  return `${type}=${status}/${reason}`
}
