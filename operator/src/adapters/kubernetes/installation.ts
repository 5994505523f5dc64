// What has to be on a cluster before one of our programs can run there with its own rights and no others.
import { agentAdmission } from './agent/admission.ts'
import {
  AGENT_ROLE,
  agentClusterRules,
  agentNamespaceRules,
  LEAVE_ROLE,
  leaveClusterRules,
  leaveNamespaceRules,
  TENANT_NAMESPACE_ROLE,
  tenantNamespaceRules,
} from './agent/rights.ts'
import { hubAdmission } from './hub/admission.ts'
import { hubFlowControl } from './hub/flow-control.ts'
import {
  agentRules,
  HUB_ROLE,
  HUB_TENANT_ROLE,
  hubNamespaceRules,
  hubRules,
  PROVIDER_AGENT_ROLE,
  PROVIDER_NAMESPACE_ROLE,
  providerNamespaceRules,
  SNAPSHOT_READER,
  snapshotRules,
  TENANT_EDIT_ROLE,
  TENANT_VIEW_ROLE,
  tenantEditRules,
  tenantRules,
  tenantViewRules,
} from './hub/rights.ts'
import type { Account, Manifest } from './manifest.ts'
import type { PolicyRule } from './resources.ts'

/** Default accounts of the two programs. */
export const hubAccount: Account = { namespace: 'gpu-commons', name: 'hub' }
export const agentAccount: Account = { namespace: 'gpu-commons', name: 'agent' }

export function hubInstallation(account: Account = hubAccount): readonly Manifest[] {
  const reader: Account = { ...account, name: SNAPSHOT_READER }
  return [
    ...identity(account),
    clusterRole(HUB_ROLE, hubRules),
    clusterRole(HUB_TENANT_ROLE, tenantRules),
    clusterRole(PROVIDER_NAMESPACE_ROLE, providerNamespaceRules),
    clusterRole(PROVIDER_AGENT_ROLE, agentRules),
    clusterRole(TENANT_VIEW_ROLE, tenantViewRules, aggregatedTo('view')),
    clusterRole(TENANT_EDIT_ROLE, tenantEditRules, aggregatedTo('edit')),
    clusterRoleBinding(HUB_ROLE, account),
    clusterRoleBinding(HUB_TENANT_ROLE, account),
    ...ownNamespace(HUB_ROLE, { account, rules: hubNamespaceRules }),
    ...identity(reader).slice(1),
    clusterRole(SNAPSHOT_READER, snapshotRules),
    clusterRoleBinding(SNAPSHOT_READER, reader),
    ...hubAdmission(account),
    ...hubFlowControl(account),
  ]
}

export function agentInstallation(account: Account = agentAccount): readonly Manifest[] {
  const leave: Account = { ...account, name: LEAVE_ROLE }
  return [
    ...identity(account),
    clusterRole(AGENT_ROLE, agentClusterRules),
    clusterRole(TENANT_NAMESPACE_ROLE, tenantNamespaceRules),
    clusterRoleBinding(AGENT_ROLE, account),
    ...ownNamespace(AGENT_ROLE, { account, rules: agentNamespaceRules }),
    ...identity(leave).slice(1),
    clusterRole(LEAVE_ROLE, leaveClusterRules),
    clusterRoleBinding(LEAVE_ROLE, leave),
    ...ownNamespace(LEAVE_ROLE, { account: leave, rules: leaveNamespaceRules }),
    ...agentAdmission(account),
  ]
}

const rbac = 'rbac.authorization.k8s.io'

function identity({ namespace, name }: Account): Manifest[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
  ]
}

function clusterRole(
  name: string,
  rules: readonly PolicyRule[],
  labels?: Readonly<Record<string, string>>,
): Manifest & { readonly rules: readonly PolicyRule[] } {
  return { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name, ...(labels ? { labels } : {}) }, rules }
}

/** https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles: `admin` takes all of `edit`, and `edit` all of `view`. */
function aggregatedTo(role: 'view' | 'edit'): Readonly<Record<string, string>> {
  return { [`${rbac}/aggregate-to-${role}`]: 'true' }
}

function clusterRoleBinding(role: string, account: Account): Manifest {
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: role },
    ...bound({ kind: 'ClusterRole', name: role }, account),
  }
}

function ownNamespace(
  name: string,
  { account, rules }: { readonly account: Account; readonly rules: readonly PolicyRule[] },
): Manifest[] {
  const { namespace } = account
  const role = { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name, namespace }, rules }
  const binding = {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name, namespace },
    ...bound({ kind: 'Role', name }, account),
  }
  return [role, binding]
}

function bound(role: { readonly kind: string; readonly name: string }, { namespace, name }: Account): object {
  return { roleRef: { apiGroup: rbac, ...role }, subjects: [{ kind: 'ServiceAccount', name, namespace }] }
}
