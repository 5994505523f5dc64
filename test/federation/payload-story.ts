/** A tenant with Secrets and ConfigMaps, a job that names them, and what of them is on the hub and on the providers. */
import { expect } from '@jest/globals'
import type { Job, Secret } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { JOB_UID_LABEL, MAY_TRAVEL_LABEL, RUN_NUMBER_LABEL } from '../../operator/src/api/labels.ts'
import type { PodSpec } from '../../operator/src/api/template.ts'
import type { Ask } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { type Cupboard, environmentOf, filesOf, type Kept } from '../builders/kubelet.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { makeNamespace, type ProviderSide, type Stage, sideOf } from './stage.ts'

/** One namespace of the hub, made for one story. */
export class Tenant {
  readonly namespace: string
  readonly #stage: Stage

  constructor(stage: Stage, namespace: string) {
    this.#stage = stage
    this.namespace = namespace
  }

  /** Makes what is in the cupboard, or changes it. */
  async keeps(kept: Cupboard, { label = 'true', type }: { label?: string; type?: string } = {}): Promise<void> {
    for (const [id, content] of Object.entries(kept)) {
      const [kind, name] = id.split(' ')
      const metadata = { name, labels: label === '' ? {} : { [MAY_TRAVEL_LABEL]: label } }
      const body = {
        metadata,
        ...(type && { type }),
        ...(kind === 'Secret' ? { data: content.data } : asConfigMap(content)),
      }
      const made = await this.#stage.ask(this.#at(id, ''), { method: 'POST', body })
      if (made.status === 409) await this.#done(this.#stage.ask(this.#at(id), { method: 'PUT', body }))
      else if (made.status !== 201) throw new Error(`making ${id}: ${JSON.stringify(made.body)}`)
    }
  }

  /** @param value `null` takes it away */
  async labels(id: string, value: string | null): Promise<void> {
    const body = { metadata: { labels: { [MAY_TRAVEL_LABEL]: value } } }
    const contentType = 'application/merge-patch+json'
    await this.#done(this.#stage.ask(this.#at(id), { method: 'PATCH', contentType, body }))
  }

  /** A job on acme that goes on until it is deleted, unless the order says otherwise. */
  orders(name: string, { spec, simulate, ...rest }: Partial<Order> = {}): Promise<OrderedJob> {
    return orderJob(this.#stage, {
      name,
      namespace: this.namespace,
      spec: { placement: { providerSelector: { region: 'eu-west' } }, ...spec },
      simulate: simulate ?? { how: 'hang' },
      ...rest,
    })
  }

  #at(id: string, name = `/${id.split(' ')[1]}`): string {
    return `/api/v1/namespaces/${this.namespace}/${id.startsWith('Secret ') ? 'secrets' : 'configmaps'}${name}`
  }

  async #done(asked: ReturnType<Ask>): Promise<void> {
    const { status, body } = await asked
    if (status >= 300) throw new Error(JSON.stringify(body))
  }
}

function asConfigMap({ data = {}, binaryData = {} }: Kept): object {
  const texts = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
  return { data: Object.fromEntries(texts) as object, binaryData }
}

let tenants = 0

export async function newTenant(stage: Stage): Promise<Tenant> {
  const tenant = new Tenant(stage, `payload-${++tenants}`)
  await makeNamespace(stage.ask, tenant.namespace)
  return tenant
}

/** What a provider has of one run. */
export interface OnProvider {
  readonly pod: PodSpec
  /** The Secrets of the job there. */
  readonly kept: Cupboard
  readonly secrets: readonly Secret[]
}

/** Waits until the provider's pods of that run may begin. */
export async function onProvider(
  { jobs, controlPlane, name }: ProviderSide,
  job: OrderedJob,
  run = 1,
): Promise<OnProvider> {
  const found = await jobs.until({
    what: `the Job of run ${run} on ${name}`,
    seconds: 40,
    find: (all) => all.values().find((one) => isOfRun(one, job.uid, run) && !one.spec.suspend),
  })
  const secrets = await secretsIn(controlPlane.ask, found.metadata.namespace, job.uid)
  const kept = secrets.map(({ metadata, data = {} }) => [`Secret ${metadata.name}`, { data }] as const)
  return { pod: found.spec.template.spec as PodSpec, kept: Object.fromEntries(kept), secrets }
}

function isOfRun({ metadata: { labels } }: Job, uid: string, run: number): boolean {
  return labels?.[JOB_UID_LABEL] === uid && labels[RUN_NUMBER_LABEL] === String(run)
}

/** What our own code puts into every container. */
const ours = /^(GPU_COMMONS_.*|RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT|NVIDIA_VISIBLE_DEVICES)$/

/** The containers on the provider find what they would find at home, variable by variable and file by file. */
export function expectAsAtHome(there: OnProvider, home: { readonly pod: PodSpec; readonly kept: Cupboard }): void {
  const environments = ({ initContainers = [], containers }: PodSpec, kept: Cupboard) =>
    [...initContainers, ...containers].map(
      (one) => new Map([...environmentOf(one, kept)].filter(([key]) => !ours.test(key))),
    )
  expect(environments(there.pod, there.kept)).toEqual(environments(home.pod, home.kept))
  const volumes = new Map(there.pod.volumes?.map((volume) => [volume.name, volume]))
  for (const volume of home.pod.volumes ?? []) {
    const mine = volumes.get(volume.name)
    expect([volume.name, mine && filesOf(mine, there.kept)]).toEqual([volume.name, filesOf(volume, home.kept)])
  }
}

/** Of one job, or of all that we ever made. */
export async function secretsIn(ask: Ask, namespace: string | undefined, uid?: string): Promise<readonly Secret[]> {
  const selector = encodeURIComponent(uid === undefined ? JOB_UID_LABEL : `${JOB_UID_LABEL}=${uid}`)
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  const { body } = await ask(`/api/v1${scope}/secrets?labelSelector=${selector}`)
  return (body as { readonly items: readonly Secret[] }).items
}

/** Waits until neither the hub nor any provider has a Secret of that job. */
export async function leavesNoSecrets({ ask, sides }: Stage, { uid }: { readonly uid?: string }): Promise<void> {
  const all = [ask, ...[...sides.values()].map(({ controlPlane }) => controlPlane.ask)]
  let left: string[] = []
  const none = async () => {
    const found = await Promise.all(all.map((one) => secretsIn(one, undefined, uid)))
    left = found.flat().map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    return left.length === 0 || undefined
  }
  await waitUntil(none, { what: 'the Secrets of a job to be gone', seconds: 30 }).catch((cause: unknown) => {
    throw new Error(`still there: ${left.join(', ')}`, { cause })
  })
}

/** Also the GpuRuns and all else of it. */
export async function endsWithoutTrace(stage: Stage, job: OrderedJob): Promise<void> {
  await job.remove()
  await job.leavesNothing()
  await leavesNoSecrets(stage, job)
}

/** The payload of a run as it lies on the hub. */
export async function payloadOf({ ask }: Stage, provider: string, name: string): Promise<Secret | undefined> {
  const { status, body } = await ask(`/api/v1/namespaces/provider-${provider}/secrets/${name}`)
  return status === 200 ? (body as Secret) : undefined
}

/** What is said of a job that may not travel. */
export async function isRefused(job: OrderedJob, reason: string, words: string | RegExp): Promise<GpuJob> {
  const said = await job.says(`Admitted=False/${reason}`)
  expect(said.status?.state).toBe('Refused')
  expect(said.status?.conditions.find(({ type }) => type === 'Admitted')?.message).toMatch(words)
  return said
}

export function acme(stage: Stage): ProviderSide {
  return sideOf(stage, 'acme')
}
