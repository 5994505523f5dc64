// A ValidatingAdmissionPolicy in a few words. CEL: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import type { Account, Manifest } from './manifest.ts'

/** What is refused to whom. */
export interface Policy {
  readonly name: string
  readonly on: { readonly group: string; readonly version: string; readonly resources: readonly string[] }
  readonly operations: readonly ('CREATE' | 'UPDATE' | 'DELETE')[]
  /** Only requests for which all of them hold are looked at. */
  readonly when?: Readonly<Record<string, string>>
  readonly rules: readonly { readonly expression: string; readonly message: string }[]
  /** Only in namespaces with this label: a fault in it could stop nobody else. */
  readonly inNamespacesWith?: string
  /** The ConfigMap that is `params` in the rules. While it is missing nothing is refused, whatever `when` says. */
  readonly params?: { readonly namespace: string; readonly name: string }
}

/** For `when`: only what that ServiceAccount asks for is looked at. */
export function byAccount({ namespace, name }: Account): string {
  return `request.userInfo.username == 'system:serviceaccount:${namespace}:${name}'`
}

/** For a rule: who is above all roles can also remove the policy. */
export const mayHoldAll = "'system:masters' in request.userInfo.groups"

/** The policy and its binding. */
export function manifestsOf({ name, on, operations, when = {}, rules, params, inNamespacesWith }: Policy): Manifest[] {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const { group, version, resources } = on
  const policy = {
    apiVersion,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name },
    spec: {
      failurePolicy: 'Fail',
      ...(params ? { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } : {}),
      matchConstraints: {
        resourceRules: [{ apiGroups: [group], apiVersions: [version], operations, resources }],
        ...(inNamespacesWith === undefined
          ? {}
          : { namespaceSelector: { matchExpressions: [{ key: inNamespacesWith, operator: 'Exists' }] } }),
      },
      ...(Object.keys(when).length === 0
        ? {}
        : { matchConditions: Object.entries(when).map(([key, expression]) => ({ name: key, expression })) }),
      validations: rules.map((rule) => ({ ...rule, reason: 'Forbidden' })),
    },
  }
  const binding = {
    apiVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name },
    spec: {
      policyName: name,
      validationActions: ['Deny'],
      ...(params ? { paramRef: { ...params, parameterNotFoundAction: 'Allow' } } : {}),
    },
  }
  return [policy, binding]
}
