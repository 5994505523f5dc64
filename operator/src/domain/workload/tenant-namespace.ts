// The namespace of a tenant on a provider: one for each namespace of each hub.
import { HUB_UID_LABEL, JOB_NAMESPACE_LABEL } from '../../api/labels.ts'

/** Of the names of all of them. */
export const TENANT_NAMESPACE_PREFIX = 'gpc-'

const longest = 63

/**
 * `gpc-<6 of the hub's uid>-<namespace>`, cut and hashed where that is longer than a name may be.
 * Names that are cut may meet: the labels say whose it is, and a namespace with other labels is never used.
 */
export function tenantNamespace(hubUid: string, namespace: string, sha256Hex: (text: string) => string): string {
  const prefix = `${TENANT_NAMESPACE_PREFIX}${hubUid.slice(0, 6)}-`
  if (prefix.length + namespace.length <= longest) return prefix + namespace
  const hash = sha256Hex(namespace).slice(0, 12)
  return `${prefix}${namespace.slice(0, longest - prefix.length - hash.length - 1)}-${hash}`
}

export interface TenantNamespaceManifest {
  readonly apiVersion: 'v1'
  readonly kind: 'Namespace'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
}

/** The Pod Security level is `baseline`: most images of machine learning run as root. */
export function tenantNamespaceManifest(
  name: string,
  owner: { hubUid: string; namespace: string },
): TenantNamespaceManifest {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: { ...ownership(owner), 'pod-security.kubernetes.io/enforce': 'baseline' },
    },
  }
}

/** Whether a namespace of that name was made for this hub and this namespace. */
export function isTenantNamespaceOf(
  labels: Readonly<Record<string, string>> | undefined,
  owner: { hubUid: string; namespace: string },
): boolean {
  return Object.entries(ownership(owner)).every(([key, value]) => labels?.[key] === value)
}

function ownership({ hubUid, namespace }: { hubUid: string; namespace: string }): Record<string, string> {
  return { [HUB_UID_LABEL]: hubUid, [JOB_NAMESPACE_LABEL]: namespace }
}
