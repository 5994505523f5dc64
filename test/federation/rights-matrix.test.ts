// Who may do what on a hub and on a provider, as a table that people have read: by the authorizer's word, and by trying.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Ask, apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { tokenOf } from '../bed/install.ts'
import { type JoinStage, joinStage } from './join-stage.ts'
import { type Cell, canBeTried, cellsIn, isAllowed, isLetIn, placeOf, type Who } from './rights-matrix.ts'
import { group } from './stage.ts'

const parts = new AsyncDisposableStack()
let stage: JoinStage
/** Of the tenant `team` on the provider. */
let tenantNamespace: string
beforeAll(async () => {
  stage = parts.use(await joinStage('rights-matrix'))
  const { hub } = stage.federation
  for (const provider of ['acme', 'acmexyz']) await stage.invite(provider)
  parts.use(await stage.startAgent('acme'))
  await stage.untilCondition('acme', 'Ready', 30)
  await hub.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(tenants) })
  tenantNamespace = await waitUntil(
    async () => {
      const names = await stage.side.controlPlane.kubectl(['get', 'namespaces', '-o', 'name'])
      return /namespace\/(gpc-\S+)/.exec(names)?.[1]
    },
    { what: "the tenant's namespace on the provider", seconds: 30 },
  )
}, 240_000)
afterAll(() => parts.disposeAsync(), 60_000)

const account = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { namespace, name },
})
const bound = (name: string, kind: string, role: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { namespace: 'team', name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: role },
  subjects: [{ kind: 'ServiceAccount', namespace: 'team', name }],
})
const tenants = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } },
    account('team', 'viewer'),
    bound('viewer', 'ClusterRole', 'view'),
    account('team', 'editor'),
    bound('editor', 'ClusterRole', 'edit'),
    account('team', 'star'),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { namespace: 'team', name: 'star' },
      rules: [{ apiGroups: ['gpucommons.io'], resources: ['gpujobs', 'gpujobs/status'], verbs: ['*'] }],
    },
    bound('star', 'Role', 'star'),
    {
      apiVersion: 'gpucommons.io/v1alpha1',
      kind: 'GpuJob',
      metadata: { namespace: 'team', name: 'job' },
      spec: {
        gpus: { count: 1 },
        template: {
          metadata: { labels: { 'simulate-seconds': '600' } },
          spec: { containers: [{ name: 'main', image: 'registry.example.com/train:1' }] },
        },
      },
    },
  ],
}

async function holderOf(plane: ControlPlane, namespace: string, name: string): Promise<Who> {
  const token = await tokenOf(plane, { namespace, name })
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  return {
    name: `${namespace}/${name}`,
    user: `system:serviceaccount:${namespace}:${name}`,
    groups,
    ask: await asking(plane, token),
  }
}

async function nobody(plane: ControlPlane): Promise<Who> {
  return { name: 'anonymous', user: undefined, groups: ['system:unauthenticated'], ask: await asking(plane, undefined) }
}

async function asking({ url, caFile }: ControlPlane, token: string | undefined): Promise<Ask> {
  return parts.use(apiRequests(url, { ca: await readFile(caFile, 'utf8'), ...(token === undefined ? {} : { token }) }))
    .ask
}

const golden = (side: string) => join(import.meta.dirname, `rights-matrix-${side}.txt`)

/** `GPU_COMMONS_WRITE_GOLDEN=1` writes the table anew, for a person to read. */
const isWritten = process.env['GPU_COMMONS_WRITE_GOLDEN'] === '1'

const sides = [
  {
    side: 'hub',
    of: () => stage.federation.hub,
    namespaces: ['provider-acme', 'provider-acmexyz', 'team', 'gpu-commons', 'kube-system'],
  },
  {
    side: 'provider',
    of: () => stage.side.controlPlane,
    namespaces: ['TENANT', 'gpu-commons', 'kube-system', 'default'],
  },
] as const

describe.each(sides)('on the $side', ({ side, of, namespaces }) => {
  const accounts: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    hub: [
      ['provider-acme', 'agent'],
      ['provider-acmexyz', 'agent'],
      ['team', 'viewer'],
      ['team', 'editor'],
      ['gpu-commons', 'hub'],
    ],
    provider: [
      ['gpu-commons', 'agent'],
      ['gpu-commons', 'gpc-leave'],
    ],
  }
  const real = () => namespaces.map((one) => (one === 'TENANT' ? tenantNamespace : one))
  const everybody = async () => {
    const plane = of()
    return [
      ...(await Promise.all((accounts[side] ?? []).map(([namespace, name]) => holderOf(plane, namespace, name)))),
      await nobody(plane),
    ]
  }

  test('each may do what the table says and nothing else, by the word of the authorizer', async () => {
    const { ask } = of()
    const lines: string[] = []
    for (const who of await everybody()) {
      const verbsAt = new Map<string, string[]>()
      for (const cell of cellsIn(real())) {
        if (!(await isAllowed(ask, who, cell))) continue
        const place = placeOf(cell).replace(tenantNamespace, 'TENANT')
        verbsAt.set(place, [...(verbsAt.get(place) ?? []), cell.verb])
      }
      lines.push(`## ${who.name}`, ...[...verbsAt].map(([place, verbs]) => `${place}: ${verbs.join(' ')}`), '')
    }
    const table = lines.join('\n')
    if (isWritten) await writeFile(golden(side), table)
    expect(table).toBe(await readFile(golden(side), 'utf8'))
  }, 180_000)

  test('and is let in or refused accordingly when it is tried', async () => {
    const { ask } = of()
    const different: string[] = []
    let tried = 0
    const compare = async (who: Who, cell: Cell) => {
      const [may, can] = [await isAllowed(ask, who, cell), await isLetIn(who, cell)]
      tried += 1
      if (may !== can) different.push(`${who.name}: ${cell.verb} ${placeOf(cell)}: ${may ? 'refused' : 'let in'}`)
    }
    for (const who of await everybody()) {
      const cells = cellsIn(real()).filter(canBeTried)
      for (let i = 0; i < cells.length; i += 16)
        await Promise.all(cells.slice(i, i + 16).map((cell) => compare(who, cell)))
    }
    expect(tried).toBeGreaterThan(1500)
    expect(different).toEqual([])
  }, 240_000)
})

test('a tenant with all verbs on GpuJobs cannot write what became of one', async () => {
  const { ask } = await holderOf(stage.federation.hub, 'team', 'star')
  const path = `${group}/namespaces/team/gpujobs/job/status`
  const patch = {
    status: {
      placement: {
        run: 9,
        provider: 'acme',
        nodes: [{ name: 'node', workers: 1 }],
        recordedAt: '2026-01-01T00:00:00Z',
      },
    },
  }
  const { status, body } = await ask(path, {
    method: 'PATCH',
    body: patch,
    contentType: 'application/merge-patch+json',
  })
  expect([status, (body as { message: string }).message]).toEqual([
    403,
    expect.stringContaining('only the hub writes this status'),
  ])
})

describe('a hub', () => {
  const hub = { kind: 'ServiceAccount', namespace: 'gpu-commons', name: 'hub' }
  const agent = { kind: 'ServiceAccount', namespace: 'provider-acme', name: 'agent' }
  test.each([
    ['its role in the namespace of a provider to itself', 'provider-acme', 'gpc-provider-namespace', hub, 201],
    ['that in kube-system', 'kube-system', 'gpc-provider-namespace', hub, 403],
    ['that in a namespace of a tenant', 'team', 'gpc-provider-namespace', hub, 403],
    ['that to an agent', 'provider-acme', 'gpc-provider-namespace', agent, 403],
    ['the rights of an agent to that agent', 'provider-acme', 'gpc-provider-agent', agent, 201],
    ['those to the agent of another provider', 'provider-acmexyz', 'gpc-provider-agent', agent, 403],
    ['those to itself', 'provider-acme', 'gpc-provider-agent', hub, 403],
    ['cluster-admin to itself', 'provider-acme', 'cluster-admin', hub, 403],
  ])('binds %s or not', async (_name, ...[namespace, name, subject, status]) => {
    const { ask } = await holderOf(stage.federation.hub, 'gpu-commons', 'hub')
    const body = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'another', namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    }
    const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings?dryRun=All`
    expect((await ask(path, { method: 'POST', body })).status).toBe(status)
  })

  test.each([
    ['provider-new', { 'gpucommons.io/provider': 'new' }, 201],
    ['provider-new', { 'gpucommons.io/provider': 'other' }, 403],
    ['provider-new', {}, 403],
    ['other', { 'gpucommons.io/provider': 'other' }, 403],
  ])('makes namespace %s with %j or not', async (name, labels, status) => {
    const { ask } = await holderOf(stage.federation.hub, 'gpu-commons', 'hub')
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
    expect((await ask('/api/v1/namespaces?dryRun=All', { method: 'POST', body })).status).toBe(status)
  })
})

describe('an agent on its own cluster', () => {
  const made = (name: string, labels: object, extra: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels, ...extra },
  })
  const tenant = { 'gpucommons.io/hub-uid': 'h', 'gpucommons.io/job-namespace': 'team' }
  const level = (is: string) => ({ 'pod-security.kubernetes.io/enforce': is })
  const baseline = level('baseline')

  test.each([
    ['a namespace of a tenant', made('gpc-x-team', { ...tenant, ...baseline }), 201],
    ['one by another name', made('my-team', { ...tenant, ...baseline }), 403],
    ['one without a Pod Security level', made('gpc-x-team', tenant), 403],
    ['one in which everything is allowed', made('gpc-x-team', { ...tenant, ...level('privileged') }), 403],
    ['one that is nobody’s', made('gpc-x-team', baseline), 403],
    ['one that cannot go', made('gpc-x-team', { ...tenant, ...baseline }, { finalizers: ['example.com/stay'] }), 403],
  ])('makes %s or not', async (_name, body, status) => {
    const { ask } = await holderOf(stage.side.controlPlane, 'gpu-commons', 'agent')
    expect((await ask('/api/v1/namespaces?dryRun=All', { method: 'POST', body })).status).toBe(status)
  })

  const itself = { kind: 'ServiceAccount', namespace: 'gpu-commons', name: 'agent' }
  test.each([
    ['its role to itself in a tenant’s namespace', 'TENANT', 'gpc-tenant-namespace', [itself], 201],
    ['its role in kube-system', 'kube-system', 'gpc-tenant-namespace', [itself], 403],
    ['its role in its own namespace', 'gpu-commons', 'gpc-tenant-namespace', [itself], 403],
    ['its role to somebody else', 'TENANT', 'gpc-tenant-namespace', [{ ...itself, name: 'other' }], 403],
    ['its role to two', 'TENANT', 'gpc-tenant-namespace', [itself, { ...itself, name: 'other' }], 403],
    ['cluster-admin', 'TENANT', 'cluster-admin', [itself], 403],
  ])('binds %s or not', async (_name, ...[where, role, subjects, status]) => {
    const { ask } = await holderOf(stage.side.controlPlane, 'gpu-commons', 'agent')
    const namespace = where === 'TENANT' ? tenantNamespace : where
    const body = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'another', namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects,
    }
    const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings?dryRun=All`
    expect((await ask(path, { method: 'POST', body })).status).toBe(status)
  })

  test.each([
    ['a tenant’s namespace', 'TENANT', 200],
    ['kube-system', 'kube-system', 403],
    ['its own', 'gpu-commons', 403],
  ])('and who takes it off the cluster removes %s or not', async (_name, where, status) => {
    const { ask } = await holderOf(stage.side.controlPlane, 'gpu-commons', 'gpc-leave')
    const namespace = where === 'TENANT' ? tenantNamespace : where
    expect((await ask(`/api/v1/namespaces/${namespace}?dryRun=All`, { method: 'DELETE' })).status).toBe(status)
  })
})
