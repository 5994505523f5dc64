// The namespace of a tenant on a provider: one for each namespace of each hub.
import { HUB_UID_LABEL, JOB_NAMESPACE_LABEL } from '../../api/labels.ts'
import type { OwnerRules } from '../../api/owner-rules.ts'

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

interface TenantOf {
  readonly hubUid: string
  /** Of the tenant on the hub. */
  readonly namespace: string
}

export interface TenantNamespaceManifest {
  readonly apiVersion: 'v1'
  readonly kind: 'Namespace'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
}

/** By https://kubernetes.io/docs/concepts/security/pod-security-admission/ */
export const POD_SECURITY_LABEL = 'pod-security.kubernetes.io/enforce'

export function tenantNamespaceManifest(
  name: string,
  { podSecurity, ...owner }: TenantOf & Pick<OwnerRules, 'podSecurity'>,
): TenantNamespaceManifest {
  const labels = { ...ownership(owner), [POD_SECURITY_LABEL]: podSecurity.toLowerCase() }
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

/** Whether a namespace of that name was made for this hub and this namespace. */
export function isTenantNamespaceOf(labels: Readonly<Record<string, string>> | undefined, owner: TenantOf): boolean {
  return Object.entries(ownership(owner)).every(([key, value]) => labels?.[key] === value)
}

function ownership({ hubUid, namespace }: TenantOf): Record<string, string> {
  return { [HUB_UID_LABEL]: hubUid, [JOB_NAMESPACE_LABEL]: namespace }
}
