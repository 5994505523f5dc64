import { describe, expect, test } from '@jest/globals'
import { agentInstallation, hubInstallation } from './installation.ts'
import type { Manifest } from './manifest.ts'
import type { PolicyRule } from './resources.ts'

type Described = Manifest & {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly PolicyRule[]
  readonly roleRef?: { readonly kind: string; readonly name: string }
  readonly subjects?: readonly { readonly namespace: string; readonly name: string }[]
}

const hub = hubInstallation({ namespace: 'gpu-commons', name: 'hub' }) as readonly Described[]
const agent = agentInstallation({ namespace: 'gpu-commons', name: 'agent' }) as readonly Described[]
const all = [...hub, ...agent]
const rules = all.flatMap(({ metadata, rules = [] }) => rules.map((rule) => ({ role: metadata.name, ...rule })))

const said = ({ kind, metadata: { name, namespace } }: Described) =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`

describe('what is installed', () => {
  test.each([
    {
      program: 'hub',
      manifests: hub,
      says: [
        'Namespace gpu-commons',
        'ServiceAccount gpu-commons/hub',
        'ClusterRole gpc-hub',
        'ClusterRole gpc-hub-tenants',
        'ClusterRole gpc-provider-namespace',
        'ClusterRole gpc-provider-agent',
        'ClusterRole gpc-tenant-view',
        'ClusterRole gpc-tenant-edit',
        'ClusterRoleBinding gpc-hub',
        'ClusterRoleBinding gpc-hub-tenants',
        'Role gpu-commons/gpc-hub',
        'RoleBinding gpu-commons/gpc-hub',
        'ServiceAccount gpu-commons/gpc-snapshot-reader',
        'ClusterRole gpc-snapshot-reader',
        'ClusterRoleBinding gpc-snapshot-reader',
        ...[
          'gpc-join-requests',
          'gpc-agent-tokens',
          'gpc-agent-audiences',
          'gpc-verdicts',
          'gpc-agent-objects',
          'gpc-agent-leases',
          'gpc-run-status',
          'gpc-hub-namespaces',
          'gpc-hub-rolebindings',
        ].flatMap((name) => [`ValidatingAdmissionPolicy ${name}`, `ValidatingAdmissionPolicyBinding ${name}`]),
        ...['PriorityLevelConfiguration', 'FlowSchema'].flatMap((kind) =>
          ['gpc-hub', 'gpc-heartbeats', 'gpc-agents'].map((name) => `${kind} ${name}`),
        ),
      ],
    },
    {
      program: 'agent',
      manifests: agent,
      says: expect.arrayContaining([
        'Namespace gpu-commons',
        'ServiceAccount gpu-commons/agent',
        'ClusterRole gpc-agent',
        'ClusterRole gpc-tenant-namespace',
        'ClusterRoleBinding gpc-agent',
        'ServiceAccount gpu-commons/gpc-leave',
        'ClusterRole gpc-leave',
        'Role gpu-commons/gpc-leave',
        ...['gpc-agent-namespaces', 'gpc-leave-namespaces', 'gpc-agent-rolebindings'].flatMap((name) => [
          `ValidatingAdmissionPolicy ${name}`,
          `ValidatingAdmissionPolicyBinding ${name}`,
        ]),
      ]),
    },
  ])('for the $program', ({ manifests, says }) => {
    expect(manifests.map(said)).toEqual(says)
  })

  test.each([
    { program: 'hub', manifests: hub, accounts: ['hub', 'gpc-snapshot-reader'] },
    { program: 'agent', manifests: agent, accounts: ['agent', 'gpc-leave'] },
  ])('binds roles of its own to the $program alone', ({ accounts, manifests }) => {
    const bindings = manifests.filter(({ roleRef }) => roleRef)
    expect(bindings.map(({ metadata, roleRef }) => roleRef?.name === metadata.name)).not.toContain(false)
    const who = bindings.flatMap(({ subjects = [] }) => subjects.map(({ namespace, name }) => `${namespace}/${name}`))
    expect(new Set(who)).toEqual(new Set(accounts.map((name) => `gpu-commons/${name}`)))
  })

  test('binds over all namespaces only what each program has of its own', () => {
    const cluster = all.filter(({ kind }) => kind === 'ClusterRoleBinding').map(({ roleRef }) => roleRef?.name)
    expect(cluster).toEqual(['gpc-hub', 'gpc-hub-tenants', 'gpc-snapshot-reader', 'gpc-agent', 'gpc-leave'])
  })
})

describe('no rule', () => {
  const breaches = (isBad: (rule: (typeof rules)[number]) => boolean) => rules.filter(isBad)
  const onSecrets = ({ resources = [] }: PolicyRule) =>
    resources.some((one) => one === 'secrets' || one === 'configmaps')
  const verbsOnRoles = /^(create|update|patch|delete|escalate)$/

  test('has a wildcard', () => {
    const isWild = ({ apiGroups = [], resources = [], nonResourceURLs = [], verbs }: PolicyRule) =>
      [...apiGroups, ...resources, ...nonResourceURLs, ...verbs].some((one) => one.includes('*'))
    expect(breaches(isWild)).toEqual([])
  })

  test('is empty', () => {
    const isEmpty = ({ apiGroups = [], resources = [], verbs, resourceNames = ['x'], nonResourceURLs }: PolicyRule) =>
      (nonResourceURLs ? [nonResourceURLs, verbs] : [apiGroups, resources, verbs, resourceNames]).some(
        ({ length }) => length === 0,
      )
    expect(breaches(isEmpty)).toEqual([])
  })

  test('lists or watches Secrets or ConfigMaps', () => {
    expect(
      breaches((rule) => onSecrets(rule) && rule.verbs.some((verb) => verb === 'list' || verb === 'watch')),
    ).toEqual([])
  })

  test('gives an agent Secrets to read where it runs, but its own credential by name', () => {
    const isRead = (rule: (typeof rules)[number]) => onSecrets(rule) && rule.verbs.includes('get')
    expect(breaches(isRead).map(({ role, resourceNames }) => [role, resourceNames])).toEqual([
      ['gpc-hub-tenants', undefined],
      ['gpc-provider-namespace', undefined],
      ['gpc-provider-agent', undefined],
      ['gpc-agent', ['gpu-commons-hub']],
    ])
  })

  test('writes roles, or binds one that it does not name', () => {
    const isOnRoles = ({ resources = [] }: PolicyRule) =>
      resources.some((one) => one === 'roles' || one === 'clusterroles')
    expect(breaches((rule) => isOnRoles(rule) && rule.verbs.some((verb) => verbsOnRoles.test(verb)))).toEqual([])
    expect(breaches((rule) => rule.verbs.includes('bind') && rule.resourceNames === undefined)).toEqual([])
  })

  test('impersonates, or asks for tokens but those of one agent, by its name', () => {
    const isOnTokens = ({ resources = [] }: PolicyRule) => resources.includes('serviceaccounts/token')
    expect(breaches(({ verbs }) => verbs.includes('impersonate'))).toEqual([])
    expect(breaches(isOnTokens).map(({ role, resourceNames }) => [role, resourceNames])).toEqual([
      ['gpc-provider-namespace', ['agent']],
      ['gpc-provider-agent', ['agent']],
    ])
  })

  test('gives an agent or a hub the pods of others to change', () => {
    const isOnPods = ({ resources = [] }: PolicyRule) => resources.some((one) => one.startsWith('pods'))
    expect(
      breaches((rule) => isOnPods(rule) && rule.verbs.some((verb) => verb !== 'list' && verb !== 'watch')),
    ).toEqual([])
  })
})
