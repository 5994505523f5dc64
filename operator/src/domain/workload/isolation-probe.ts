// How it is found out whether a cluster's network holds pods to NetworkPolicies: two pods try to reach the API server, one
// behind the walls of a tenant and one that is let through. Their exit codes say what they found.
import type { ProviderReportSpec } from '../../api/providerreport.ts'
import { priorityClassName } from './pod-manifest.ts'
import { TENANT_NAMESPACE_PREFIX } from './tenant-namespace.ts'

export type Isolation = ProviderReportSpec['networkIsolation']

/** Made as a tenant's namespace is. No namespace of a hub has an empty name, so it is no tenant's. */
export function probeNamespace(hubUid: string): { readonly name: string; readonly tenant: '' } {
  return { name: `${TENANT_NAMESPACE_PREFIX}probe-${hubUid.slice(0, 6)}`, tenant: '' }
}

/** Exit codes of the probe. Any other says that it did not work. */
export const REACHED = 0
export const CLOSED = 10

/** How long a probe tries: networks let a new pod through, or hold it, until they have heard of it. */
export const probeSeconds = 20
/** With the time that its image may take to come. */
const deadlineSeconds = 300

export type Side = 'walled' | 'let-through'
const sideLabel = 'gpucommons.io/probe'

/** Policies add up: this one takes the other probe out of what holds all pods of the namespace. */
export function letThroughPolicy(namespace: string) {
  return {
    metadata: { name: 'gpu-commons-probe', namespace },
    spec: { podSelector: { matchLabels: { [sideLabel]: 'let-through' } }, policyTypes: ['Egress'], egress: [{}] },
  }
}

export interface ProbeOptions {
  readonly namespace: string
  readonly side: Side
  readonly image: string
  /** Of letters that a name may have; never the same twice. */
  readonly nonce: string
}

/** It carries no label of a run, and asks for nothing: it is none of ours to the inventory, and takes nothing of it. */
export function probeJob({ namespace, side, image, nonce }: ProbeOptions) {
  return {
    metadata: { name: `probe-${side}-${nonce}`, namespace },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: deadlineSeconds,
      ttlSecondsAfterFinished: deadlineSeconds,
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [CLOSED] } }],
      },
      template: {
        metadata: { labels: { [sideLabel]: side } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          priorityClassName,
          // Where tenants' pods run is where it matters.
          tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }],
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: 'probe',
              image,
              imagePullPolicy: 'IfNotPresent',
              args: ['/app/probe.mjs'],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    },
  }
}

export interface ProbeCondition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

export type Found = 'Reached' | 'Closed' | { readonly why: string }

/** What a probe has found, from its Job; `undefined`: it is not over. */
export function foundBy(conditions: readonly ProbeCondition[] = []): Found | undefined {
  const over = conditions.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')
  if (!over) return undefined
  if (over.type === 'Complete') return 'Reached'
  return over.reason === 'PodFailurePolicy' ? 'Closed' : { why: over.message ?? over.reason ?? 'its Job failed' }
}

/** What both say together. Walls say something only where there is a way without them. */
export function isolationOf(found: Readonly<Record<Side, Found>>): { readonly is: Isolation; readonly why?: string } {
  for (const side of ['let-through', 'walled'] as const) {
    const said = found[side]
    if (typeof said === 'object') return { is: 'Unknown', why: `the ${side} probe did not work: ${said.why}` }
  }
  if (found['let-through'] === 'Closed') {
    return { is: 'Unknown', why: 'the API server is out of reach of pods also where a NetworkPolicy lets them through' }
  }
  return { is: found.walled === 'Closed' ? 'Enforced' : 'NotEnforced' }
}
