// The two charts with real Helm, kubeconform and an API server: what they make is valid, wrong values are named, and a release goes as it came.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { load, loadAll } from 'js-yaml'
import { readRules } from '../../operator/src/adapters/rules-file.ts'
import { kinds } from '../../operator/src/api/generate-crds.ts'
import { noRules } from '../../operator/src/api/owner-rules.ts'
import { resolveBinaries } from '../../tools/resolve-binaries.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { type Shell, shellOf } from '../bed/shell.ts'
import { writeSchemas } from './schemas.ts'

const dir = join(import.meta.dirname, '..', '..', '.results', 'charts')
const report = (line: string) => void process.stderr.write(`charts: ${line}\n`)

const install = 'helm install gpu-commons charts/gpu-commons-hub -n gpu-commons --create-namespace'

let plane: ControlPlane
let shell: Shell
let kubeconform: string
let schemas: string
beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  ;({ kubeconform } = await resolveBinaries(['kubeconform'], { report }))
  const options = { name: 'charts', dir: join(dir, 'cluster'), controllerManager: true, scheduler: false }
  plane = await startControlPlane({ ...options, report })
  shell = await shellOf(plane, report)
  // The kinds stay there when it goes, and each later release of the name takes them over.
  await shell.sh(`${install} && helm uninstall gpu-commons -n gpu-commons`)
  await plane.kubectl(['apply', '-f', join(import.meta.dirname, 'servicemonitor-crd.yaml')])
  await plane.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all'])
  schemas = await writeSchemas(plane, join(dir, 'schemas'))
}, 240_000)
afterAll(async () => plane?.[Symbol.asyncDispose](), 60_000)

const invited = [
  '--set provider=acme',
  '--set hub.url=https://hub.example.org:6443',
  `--set hub.ca=${Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')}`,
  '--set-string invite.id=0123456789',
  '--set invite.token=abc',
].join(' ')

/** Helm that was built by `go build` does not know which Kubernetes it is for. */
const template = 'helm template release --kube-version 1.34.4'

const digest = `sha256:${'a'.repeat(64)}`
const rules = {
  tenants: { allow: ['research', 'team-*'] },
  images: { allow: ['nvcr.io/nvidia/*'], pinning: 'Digest' },
  keptGpusPerNode: 1,
  longestRunSeconds: 31_536_000,
  hours: { timeZone: 'Europe/Berlin', windows: [{ days: ['Sat', 'Sun'], from: '00:00', to: '24:00' }] },
  storageClasses: [],
}
const picky =
  '--set nodeSelector.disk=ssd --set tolerations[0].key=gpu --set tolerations[0].operator=Exists --set priorityClassName=high --set podLabels.team=ops --set podAnnotations.note=x'
const charts = [
  {
    chart: 'gpu-commons-hub',
    usual: '',
    sets: {
      'as it comes': '',
      'one pod': '--set replicas=1 --set logLevel=debug',
      'by digest from a private registry': `--set image.digest=${digest} --set image.pullSecrets[0]=mine`,
      'with a ServiceMonitor': '--set serviceMonitor.enabled=true --set serviceMonitor.labels.release=prometheus',
      'for some tenants': '--set tenantNamespaces[0]=team-a --set tenantNamespaces[1]=team-b --set crds.install=false',
      'on nodes of its own, without a NetworkPolicy': `${picky} --set networkPolicy.enabled=false`,
    },
  },
  {
    chart: 'gpu-commons-agent',
    usual: invited,
    sets: {
      'as it comes': '',
      'one pod': '--set replicas=1 --set heartbeatSeconds=1',
      'by digest from a private registry': `--set image.digest=${digest} --set image.pullSecrets[0]=mine`,
      'with a ServiceMonitor': '--set serviceMonitor.enabled=true',
      'with rules of its owner': `--set-json 'rules=${JSON.stringify(rules)}'`,
      'long joined': '--set-string invite.id= --set invite.token= --set invite.ownerKey=key',
      'on nodes of its own, without a NetworkPolicy': `${picky} --set networkPolicy.enabled=false`,
      'with a closed network, and no probe of it':
        '--set closedRanges[0]=198.51.100.0/24 --set closedRanges[1]=2001:db8::/32 --set networkProbe.enabled=false',
    },
  },
] as const

describe.each(charts)('$chart', ({ chart, usual, sets }) => {
  test('lints without a warning', async () => {
    expect(await shell.sh(`helm lint --strict charts/${chart} ${usual}`)).toContain('0 chart(s) failed')
  })

  test.each(Object.entries(sets))(
    '%s: all that it makes fits its schema',
    async (_name, values) => {
      const made = await shell.sh(`${template} charts/${chart} -n gpu-commons ${usual} ${values}`)
      const file = join(dir, 'made.yaml')
      await writeFile(file, made)
      const said = await shell.sh(`${kubeconform} -strict -summary -schema-location '${schemas}' ${file}`)
      expect(said).toMatch(/Valid: \d\d, Invalid: 0, Errors: 0, Skipped: 0/)
      expect(loadAll(made).filter(Boolean).length).toBeGreaterThan(10)
    },
    60_000,
  )

  test('its pods may do nothing on their node, and its roles name what they are for', async () => {
    const made = loadAll(await shell.sh(`${template} charts/${chart} -n gpu-commons ${usual}`)) as Made[]
    const pods = made.flatMap(({ kind, spec }) =>
      kind === 'Pod' ? [spec] : kind === 'Deployment' || kind === 'Job' ? [spec?.template?.spec] : [],
    )
    expect(pods.length).toBeGreaterThan(1)
    for (const pod of pods) {
      expect(pod?.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      for (const container of pod?.containers ?? []) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      }
    }
    const rules = made.flatMap((one) => one.rules ?? [])
    expect(rules.length).toBeGreaterThan(5)
    expect(rules.filter((rule) => JSON.stringify(rule).includes('"*"'))).toEqual([])
  })
})

interface PodSpec {
  readonly securityContext?: object
  readonly containers?: readonly { readonly securityContext?: object }[]
}
interface Made {
  readonly kind: string
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: PodSpec & {
    readonly template?: {
      readonly spec?: PodSpec
      readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
    }
  }
  readonly rules?: readonly object[]
}

const wrong: readonly (readonly [chart: 'hub' | 'agent', values: string, names: string])[] = [
  ['hub', 'replicas=0', '/replicas'],
  ['hub', 'replicas=two', '/replicas'],
  ['hub', 'logLevel=loud', '/logLevel'],
  ['hub', 'image.repository=', '/image/repository'],
  ['hub', 'image.digest=sha256:abc', '/image/digest'],
  ['hub', 'image.pullPolicy=Sometimes', '/image/pullPolicy'],
  ['hub', 'image.pullSecrets=mine', '/image/pullSecrets'],
  ['hub', 'image.name=x', "'name' not allowed"],
  ['hub', 'suspectAfterSeconds=1', '/suspectAfterSeconds'],
  ['hub', 'weights.price=much', '/weights/price'],
  ['hub', 'weights.beauty=1', "'beauty' not allowed"],
  ['hub', 'tombstoneSeconds=59', '/tombstoneSeconds'],
  ['hub', 'networkPolicy.apiServerPorts[0]=70000', '/networkPolicy/apiServerPorts/0'],
  ['hub', 'serviceMonitor.interval=soon', '/serviceMonitor/interval'],
  ['hub', 'crds.install=maybe', '/crds/install'],
  ['hub', 'provider=acme', "'provider' not allowed"],
  ['agent', 'provider=Acme', '/provider'],
  ['agent', `provider=${'a'.repeat(55)}`, '/provider'],
  ['agent', 'provider=null', '/provider'],
  ['agent', 'hub.url=hub.example.org', '/hub/url'],
  ['agent', 'hub.ca=-----BEGIN', '/hub/ca'],
  ['agent', 'hub.token=x', "'token' not allowed"],
  ['agent', 'heartbeatSeconds=30', '/heartbeatSeconds'],
  ['agent', 'leaveSeconds=1', '/leaveSeconds'],
  ['agent', 'rules.podSecurity=Privileged', '/rules/podSecurity'],
  ['agent', 'rules.images.allow[0]=ubuntu', '/rules/images/allow/0'],
  ['agent', 'rules.keptGpusPerNode=-1', '/rules/keptGpusPerNode'],
  ['agent', 'rules.hours.timeZone=UTC', "/rules/hours': missing property 'windows'"],
  ['agent', 'rules.mostGpus=8', "'mostGpus' not allowed"],
  ['agent', 'closedRanges[0]=lab', '/closedRanges/0'],
  ['agent', 'rackLabel=/rack', '/rackLabel'],
  ['agent', 'networkProbe.image=x', "'image' not allowed"],
]

test.each(wrong)('a wrong value is refused by name: %s with %s', async (chart, values, names) => {
  const usual = chart === 'agent' ? invited : ''
  const tried = shell.sh(`${template} charts/gpu-commons-${chart} ${usual} --set ${values}`)
  await expect(tried).rejects.toThrow(names)
})

test('the rules of an owner are the ones that the agent reads, and new ones start it anew', async () => {
  const of = async (values: string) => {
    const made = loadAll(await shell.sh(`${template} charts/gpu-commons-agent ${invited} ${values}`)) as Made[]
    const file = join(dir, 'rules.yaml')
    await writeFile(file, made.find(({ data }) => data?.['rules.yaml'])?.data?.['rules.yaml'] ?? '')
    const pods = made.find(({ kind }) => kind === 'Deployment')?.spec?.template?.metadata?.annotations
    return [await readRules(file), pods?.['gpucommons.io/rules-sha256']] as const
  }
  const [preset, before] = await of('')
  const [set, after] = await of(`--set-json 'rules=${JSON.stringify(rules)}'`)
  expect(preset).toEqual(noRules)
  expect(set).toEqual({ ...noRules, ...rules })
  expect([before, after].map((sum) => sum?.length)).toEqual([64, 64])
  expect(before).not.toBe(after)
})

test('an agent without an invite says what is missing', async () => {
  const tried = shell.sh(`${template} charts/gpu-commons-agent`)
  await expect(tried).rejects.toThrow("missing properties 'provider', 'hub'")
})

test('the printed list of values is what the chart has', async () => {
  for (const { chart } of charts) {
    const shown = load(await shell.sh(`helm show values charts/${chart}`)) as object
    const schema = await readFile(join(import.meta.dirname, '..', '..', 'charts', chart, 'values.schema.json'), 'utf8')
    const { properties, required = [] } = JSON.parse(schema) as { properties: object; required?: string[] }
    const preset = Object.keys(properties).filter((name) => name !== 'global' && !required.includes(name))
    expect(Object.keys(shown)).toEqual(preset)
  }
})

test('a hub is installed, upgraded with its kinds, rolled back and uninstalled; the kinds stay, and are taken over again', async () => {
  const kubectl = (...args: string[]) => plane.kubectl(args)
  await shell.sh(install)
  const crds = async () => (await kubectl('get', 'crd', '-o', 'name')).match(/gpucommons/g)?.length
  expect(await crds()).toBe(kinds.length)

  // As an older version had it: without a field that this one has.
  const field = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/suspend'
  const older = JSON.stringify([{ op: 'remove', path: field }])
  await kubectl('patch', 'crd', 'gpujobs.gpucommons.io', '--type=json', '-p', older)
  await shell.sh('helm upgrade gpu-commons charts/gpu-commons-hub -n gpu-commons --set replicas=3')
  const kind = await kubectl('get', 'crd', 'gpujobs.gpucommons.io', '-o', 'json')
  expect(JSON.parse(kind)).toHaveProperty(field.slice(1).replaceAll('/', '.').replace('versions.0', 'versions[0]'))
  const replicas = () =>
    kubectl('get', 'deployment', '-n', 'gpu-commons', 'gpu-commons', '-o', 'jsonpath={.spec.replicas}')
  expect(await replicas()).toBe('3')
  await shell.sh('helm rollback gpu-commons 1 -n gpu-commons')
  expect(await replicas()).toBe('2')

  await shell.sh('helm uninstall gpu-commons -n gpu-commons')
  expect(await leftOf('gpu-commons')).toEqual([])
  expect(await crds()).toBe(kinds.length)
  await shell.sh(install)
  await shell.sh('helm uninstall gpu-commons -n gpu-commons')
}, 120_000)

test('an agent whose owner kept the values of an older chart is upgraded all the same', async () => {
  const old = Object.keys(load(await shell.sh('helm show values charts/gpu-commons-agent')) as object)
  // As they come from `--reuse-values` of a release that knew less.
  const without = (name: string) =>
    shell.sh(`${template} charts/gpu-commons-agent ${invited} --set ${name}=null --skip-schema-validation`)
  for (const name of ['rules', 'closedRanges', 'networkProbe', 'rackLabel']) {
    expect(old).toContain(name)
    const rendered = await without(name)
    expect(rendered).toContain('kind: Deployment')
    expect(rendered).not.toMatch(/- --[a-z-]+=$/m)
  }
}, 60_000)

test('a hub is upgraded with the values of a chart that knew no weights, and small weights are written out', async () => {
  const rendered = (flags: string) => shell.sh(`${template} charts/gpu-commons-hub ${flags}`)
  expect(await rendered('--set weights=null --skip-schema-validation')).not.toContain('--weights')
  expect(await rendered('--set weights.moving=null --skip-schema-validation')).toMatch(
    /- --weights=breaking=0.1250,losses=0.5000,price=0.5000$/m,
  )
  expect(await rendered('--set weights.price=0.25')).toContain('price=0.2500')
  expect(await rendered('--set-json weights.price=0.0001')).toContain(
    '--weights=breaking=0.1250,losses=0.5000,moving=0.1000,price=0.0001',
  )
}, 60_000)

test('an agent is installed, upgraded, and uninstalled with nothing left', async () => {
  await shell.sh(`helm install agent charts/gpu-commons-agent -n gpu-agent --create-namespace ${invited}`)
  await shell.sh('helm upgrade agent charts/gpu-commons-agent -n gpu-agent --reuse-values --set replicas=1')
  await shell.sh('helm rollback agent 1 -n gpu-agent')
  // Nothing runs pods here, so the hook that ends what the federation runs is left out: test/kubelet has it.
  await shell.sh('helm uninstall agent -n gpu-agent --no-hooks')
  expect(await leftOf('gpu-agent')).toEqual([])
}, 120_000)

/** Whatever is in the namespace or the cluster that we make, by name. */
async function leftOf(namespace: string): Promise<string[]> {
  const inside =
    'deployments,services,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,pods,jobs'
  const outside =
    'clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,priorityclasses,flowschemas,prioritylevelconfigurations'
  const names = await plane.kubectl(['get', inside, '-n', namespace, '-o', 'name'])
  const wide = await plane.kubectl(['get', outside, '-o', 'name'])
  return [
    ...names.split('\n').filter((name) => name !== '' && name !== 'serviceaccount/default'),
    ...wide.split('\n').filter((name) => /gpc-|gpu-commons/.test(name)),
  ]
}
