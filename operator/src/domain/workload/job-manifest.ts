// A GpuRun as what the provider's Kubernetes runs: one Indexed Job, and for a gang one headless Service.
// Why the Job has this shape: operator/decisions/0002.
import type { GpuRun } from '../../api/gpurun.ts'
import { RUN_LABEL, SECRETS_ANNOTATION, TENANT_LABEL_PREFIX } from '../../api/labels.ts'
import { runId } from '../lifecycle/gpurun.ts'
import { silentStartSeconds } from '../lifecycle/start-trouble.ts'
import { PULL_KEYS } from './payload.ts'
import type { Provided, SecretNames } from './payload-pod.ts'
import { type PodManifestSpec, type ProviderContext, podSpec } from './pod-manifest.ts'
import { runLabels } from './run-labels.ts'

export interface JobManifest {
  readonly apiVersion: 'batch/v1'
  readonly kind: 'Job'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly suspend?: true
    readonly completionMode: 'Indexed'
    readonly parallelism: number
    readonly completions: number
    readonly backoffLimit: 0
    readonly podReplacementPolicy: 'Failed'
    readonly podFailurePolicy: unknown
    readonly activeDeadlineSeconds?: number
    readonly ttlSecondsAfterFinished: number
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: PodManifestSpec
    }
  }
}

/**
 * How long a finished Job stays at the least: it is the proof of how the run ended, and its agent may be away just then.
 * What a job wants to be gone sooner goes with the job itself, which the hub deletes in time.
 */
const keptSeconds = 86_400

/**
 * No pod of it is ever replaced: a second try is another run, ordered by the hub. With Secrets it begins suspended: they
 * are made after it, because it owns them.
 * @param secrets what its Secrets are called
 */
export function jobManifest(run: GpuRun, context: ProviderContext, secrets?: string): JobManifest {
  const { workers, maxRuntimeSeconds, bindTimeoutSeconds, ttlSecondsAfterFinished, template } = run.spec
  const labels = runLabels(run, context.hubUid)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: run.metadata.name,
      namespace: context.namespace,
      labels,
      ...(secrets === undefined ? {} : { annotations: { [SECRETS_ANNOTATION]: secrets } }),
    },
    spec: {
      ...(secrets === undefined ? {} : { suspend: true }),
      completionMode: 'Indexed',
      parallelism: workers,
      completions: workers,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
        ],
      },
      // Kept by the provider's own controllers, so that it holds while hub and agent are away. It counts from the making of
      // the Job: the time that its pods may take to be bound and to start is not of the run's own time.
      ...(maxRuntimeSeconds === undefined
        ? {}
        : { activeDeadlineSeconds: maxRuntimeSeconds + bindTimeoutSeconds + silentStartSeconds }),
      ttlSecondsAfterFinished: Math.max(ttlSecondsAfterFinished, keptSeconds),
      template: {
        metadata: { labels: { ...tenantLabels(template.metadata?.labels), ...labels } },
        spec: podSpec(run, context),
      },
    },
  }
}

export interface ServiceManifest {
  readonly apiVersion: 'v1'
  readonly kind: 'Service'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ownerReferences: readonly {
      readonly apiVersion: string
      readonly kind: string
      readonly name: string
      readonly uid: string
    }[]
  }
  readonly spec: unknown
}

/** The gang's rendezvous; it leaves with the Job, which owns it. */
export function serviceManifest(run: GpuRun, jobUid: string, context: ProviderContext): ServiceManifest {
  const { name } = run.metadata
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: context.namespace,
      labels: runLabels(run, context.hubUid),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: jobUid }],
    },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { [RUN_LABEL]: runId(run) } },
  }
}

export interface SecretManifest {
  readonly metadata: ServiceManifest['metadata']
  readonly type: 'Opaque' | 'kubernetes.io/dockerconfigjson'
  readonly immutable: true
  readonly data: Readonly<Record<string, string>>
}

export interface OwnedSecrets {
  readonly jobUid: string
  readonly names: SecretNames
  readonly provided: Provided
}

/** What the tenant sent along with the run; they leave with the Job at the latest. */
export function secretManifests(
  run: GpuRun,
  { jobUid, names, provided: { data, pull } }: OwnedSecrets,
  context: ProviderContext,
): SecretManifest[] {
  const { metadata } = serviceManifest(run, jobUid, context)
  return [
    { metadata: { ...metadata, name: names.secret }, type: 'Opaque', immutable: true, data },
    ...(pull === undefined
      ? []
      : [
          {
            metadata: { ...metadata, name: names.pull },
            type: 'kubernetes.io/dockerconfigjson' as const,
            immutable: true as const,
            data: { [PULL_KEYS[0]]: pull },
          },
        ]),
  ]
}

/** A key with a slash belongs to somebody's domain and does not travel. */
function tenantLabels(labels: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const own = Object.entries(labels ?? {}).filter(([key]) => !key.includes('/'))
  return Object.fromEntries(own.map(([key, value]) => [TENANT_LABEL_PREFIX + key, value]))
}
