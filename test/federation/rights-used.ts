/** The rights of our programs one by one, and which requests of an audit log each of them allowed. */
import { LEAVE_ROLE, TENANT_NAMESPACE_ROLE } from '../../operator/src/adapters/kubernetes/agent/rights.ts'
import {
  PROVIDER_AGENT_ROLE,
  PROVIDER_NAMESPACE_ROLE,
  SNAPSHOT_READER,
  TENANT_EDIT_ROLE,
  TENANT_VIEW_ROLE,
} from '../../operator/src/adapters/kubernetes/hub/rights.ts'
import {
  agentAccount,
  agentInstallation,
  hubAccount,
  hubInstallation,
} from '../../operator/src/adapters/kubernetes/installation.ts'
import type { Account, Manifest } from '../../operator/src/adapters/kubernetes/manifest.ts'
import type { PolicyRule } from '../../operator/src/adapters/kubernetes/resources.ts'
import { type Asked, accountUser } from '../bed/audit.ts'

/** One verb on one resource, under one name where the rule names some. */
export interface Right {
  /** `gpc-hub: get gpujobs.gpucommons.io`, and `leases.coordination.k8s.io/agent` where it is for that name only. */
  readonly id: string
  readonly allows: (asked: Asked) => boolean
}

interface Role {
  readonly name: string
  readonly rules: readonly PolicyRule[]
  readonly isHeldBy: (user: string) => boolean
  readonly isBoundIn: (namespace: string | undefined, user: string) => boolean
}

type Binding = Pick<Role, 'isHeldBy' | 'isBoundIn'>

const isHub = (user: string) => user === accountUser(hubAccount)
const isAgentAtHome = (user: string) => user === accountUser(agentAccount)
const agentOnHub = /^system:serviceaccount:(provider-[^:]+):agent$/

/** What our programs bind themselves while they run. */
const boundLater: Readonly<Record<string, Binding>> = {
  [PROVIDER_NAMESPACE_ROLE]: {
    isHeldBy: isHub,
    isBoundIn: (namespace) => namespace?.startsWith('provider-') ?? false,
  },
  [PROVIDER_AGENT_ROLE]: {
    isHeldBy: (user) => agentOnHub.test(user),
    isBoundIn: (namespace, user) => namespace === agentOnHub.exec(user)?.[1],
  },
  [TENANT_NAMESPACE_ROLE]: {
    isHeldBy: isAgentAtHome,
    isBoundIn: (namespace) => namespace?.startsWith('gpc-') ?? false,
  },
}

/** Of tenants, of who takes a snapshot, and of the program that takes an agent off its cluster: `rights-matrix.test.ts` has them. */
const ofOthers: ReadonlySet<string> = new Set([LEAVE_ROLE, SNAPSHOT_READER, TENANT_VIEW_ROLE, TENANT_EDIT_ROLE])

const roles: readonly Role[] = [
  ...rolesIn(hubInstallation(), hubAccount),
  ...rolesIn(agentInstallation(), agentAccount),
]

type Named = Manifest & {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly PolicyRule[]
  readonly roleRef?: { readonly kind: string; readonly name: string }
}

function rolesIn(manifests: readonly Manifest[], account: Account): Role[] {
  const named = manifests as readonly Named[]
  return named.flatMap(({ kind, metadata: { name, namespace }, rules }): Role[] => {
    if (!rules || ofOthers.has(name)) return []
    const isBound = named.some(({ roleRef }) => roleRef?.kind === kind && roleRef.name === name)
    const installed: Binding = {
      isHeldBy: (user) => user === accountUser(account),
      isBoundIn: (asked) => namespace === undefined || asked === namespace,
    }
    const binding = isBound ? installed : boundLater[name]
    if (!binding) throw new Error(`nobody binds ${kind} ${name}`)
    return [{ name: namespace === undefined ? name : `${name} at home`, rules, ...binding }]
  })
}

export function isOurs({ user }: Asked): boolean {
  return roles.some(({ isHeldBy }) => isHeldBy(user))
}

/** As RBAC reads the rules. */
export const rights: readonly Right[] = roles.flatMap((role) =>
  role.rules.flatMap(({ apiGroups = [], resources = [], verbs, resourceNames = [undefined] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) => resourceNames.map((name) => rightOf(role, { verb, group, resource, name }))),
      ),
    ),
  ),
)

function rightOf(
  { name: role, isHeldBy, isBoundIn }: Role,
  right: Pick<Asked, 'verb' | 'group' | 'resource'> & { readonly name: string | undefined },
): Right {
  const { verb, group, resource, name } = right
  const kind = group === '' ? resource : `${resource}.${group}`
  return {
    id: `${role}: ${verb} ${kind}${name === undefined ? '' : `/${name}`}`,
    allows: (asked) =>
      isHeldBy(asked.user) &&
      isBoundIn(asked.namespace, asked.user) &&
      asked.verb === verb &&
      asked.group === group &&
      asked.resource === resource &&
      (name === undefined || asked.name === name),
  }
}

/** What everybody may who has an account: asking who he is and what he may, and what is no resource, such as /version. */
export function isFree({ resource }: Asked): boolean {
  return resource === '' || resource.startsWith('selfsubject')
}

/** Whoever makes a RoleBinding needs `bind` on its role; ours are called as their roles are. */
export function withBinds(all: readonly Asked[]): readonly Asked[] {
  return all.flatMap((one) => {
    if (one.resource !== 'rolebindings' || one.verb !== 'create') return [one]
    return [one, { ...one, verb: 'bind', resource: 'clusterroles' }]
  })
}
