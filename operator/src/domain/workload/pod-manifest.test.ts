import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'
import { noRules } from '../../api/owner-rules.ts'
import type { Container, EnvVar, PodSpec } from '../../api/template.ts'
import { runId } from '../lifecycle/gpurun.ts'
import { podSpec } from './pod-manifest.ts'

const context = {
  namespace: 'gpc-012345-team',
  hubUid: 'hub',
  provider: 'acme',
  rules: noRules,
  gpuResource: 'nvidia.com/gpu',
}
const main: Container = { name: 'main', image: 'example.com/train:1' }
const side: Container = { name: 'side', image: 'example.com/side:1' }
const gpuLimit = { resources: { limits: { 'nvidia.com/gpu': 8 } } }

/** What a container of the pod looks like, as far as these tests ask. */
interface Made {
  readonly name: string
  readonly env: readonly EnvVar[]
  readonly resources?: unknown
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
  readonly securityContext: unknown
  readonly restartPolicy?: string
}

interface MadePod extends Readonly<Record<string, unknown>> {
  readonly containers: readonly Made[]
  readonly initContainers?: readonly Made[]
  readonly volumes?: readonly { readonly name: string }[]
}

function pod(
  template: Partial<PodSpec> = {},
  spec: Partial<GpuRunSpec> = {},
  gpuResource = context.gpuResource,
): MadePod {
  const run = gpuRun({ spec: { template: { spec: { containers: [main], ...template } }, ...spec } })
  return podSpec(run, { ...context, gpuResource }) as unknown as MadePod
}

function container(name: string, made: MadePod): Made {
  const found = [...made.containers, ...(made.initContainers ?? [])].find((one) => one.name === name)
  if (!found) throw new Error(`the pod has no container ${name}`)
  return found
}

/** `A=1 B=$fieldPath` */
function env({ env: variables }: Made): string {
  return variables
    .map(({ name, value, valueFrom }) => `${name}=${value ?? `$${valueFrom?.fieldRef?.fieldPath}`}`)
    .join(' ')
}

const ourEnv = 'GPU_COMMONS_JOB=team/train GPU_COMMONS_RUN=1 GPU_COMMONS_PROVIDER=acme'
const rank = "RANK=$metadata.annotations['batch.kubernetes.io/job-completion-index']"
const alone = `${ourEnv} ${rank} WORLD_SIZE=1 MASTER_ADDR=localhost MASTER_PORT=29500`

describe('a part of a GPU', () => {
  const fraction = { gpus: { count: 1, fraction: '0.25' } }
  const one = { limits: { 'nvidia.com/gpu': 1, cpu: 2 }, requests: { 'nvidia.com/gpu': 1, cpu: 1 } }

  test.each(['nvidia.com/gpu', 'nvidia.com/gpu.shared'])('is one device of what the node offers: %s', (resource) => {
    const made = pod({ containers: [side, { ...main, resources: one }] }, fraction, resource)
    expect(container('main', made).resources).toEqual({ requests: { cpu: 1 }, limits: { cpu: 2, [resource]: '1' } })
    expect(container('side', made).resources).toBeUndefined()
  })

  test('is told to the worker', () => {
    expect(env(container('main', pod({}, fraction)))).toContain('GPU_COMMONS_GPU_FRACTION=0.25')
    expect(env(container('main', pod()))).not.toContain('FRACTION')
  })
})

test('slices are asked for by the name under which the node offers them', () => {
  const { resources } = container('main', pod({}, { gpus: { count: 2 } }, 'nvidia.com/mig-1g.10gb'))
  expect(resources).toEqual({ limits: { 'nvidia.com/mig-1g.10gb': '2' } })
})

describe('the environment of a worker', () => {
  test('of a single worker', () => {
    expect(env(container('main', pod()))).toBe(alone)
  })

  test('of a gang: it meets at worker 0, by the name of the Service', () => {
    const { name } = gpuRun().metadata
    expect(env(container('main', pod({}, { workers: 4 })))).toBe(
      `${ourEnv} ${rank} WORLD_SIZE=4 MASTER_ADDR=${name}-0.${name} MASTER_PORT=29500`,
    )
  })

  test("the tenant's variables come after ours, so that they may refer to them", () => {
    const made = pod({ containers: [{ ...main, env: [{ name: 'ME', value: 'worker-$(RANK)' }] }] })
    expect(env(container('main', made))).toBe(`${alone} ME=worker-$(RANK)`)
  })

  test.each(['RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'GPU_COMMONS_RUN'])('%s is ours alone', (name) => {
    const made = pod({ containers: [{ ...main, env: [{ name, value: 'x' }] }] })
    expect(env(container('main', made))).toBe(alone)
  })

  test('every container without a GPU says that it shall see none', () => {
    const made = pod({
      containers: [main, side],
      initContainers: [
        { ...side, name: 'init' },
        { ...side, name: 'proxy', restartPolicy: 'Always' },
      ],
    })
    const seen = ['main', 'side', 'init', 'proxy'].map((name) =>
      env(container(name, made)).endsWith('NVIDIA_VISIBLE_DEVICES=void'),
    )
    expect(seen).toEqual([false, true, true, true])
  })

  test.each(['main', 'side'])('container %s cannot ask to see all GPUs of the node', (name) => {
    const greedy = [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }]
    const made = pod({
      containers: [
        { ...main, env: greedy },
        { ...side, env: greedy },
      ],
    })
    expect(env(container(name, made))).not.toContain('NVIDIA_VISIBLE_DEVICES=all')
  })
})

describe('the GPUs of a worker', () => {
  const limits = (made: MadePod) => made.containers.map(({ name, resources }) => [name, resources])

  test('go to the first container', () => {
    expect(limits(pod({ containers: [main, side] }, { gpus: { count: 4 } }))).toEqual([
      ['main', { limits: { 'nvidia.com/gpu': '4' } }],
      ['side', undefined],
    ])
  })

  test('go to the one that asks for them, wherever it stands', () => {
    expect(limits(pod({ containers: [side, { ...main, ...gpuLimit }] }, { gpus: { count: 8 } }))).toEqual([
      ['side', undefined],
      ['main', { limits: { 'nvidia.com/gpu': '8' } }],
    ])
  })

  test('stand beside what else it asks for', () => {
    const resources = { requests: { cpu: '2' }, limits: { memory: '4Gi' } }
    expect(limits(pod({ containers: [{ ...main, resources }] }))).toEqual([
      ['main', { requests: { cpu: '2' }, limits: { memory: '4Gi', 'nvidia.com/gpu': '1' } }],
    ])
  })
})

describe('shared memory', () => {
  const shm = { name: 'gpu-commons-shm', mountPath: '/dev/shm' }
  const own = { name: 'own', mountPath: '/dev/shm/' }
  const data = { name: 'data', mountPath: '/data' }
  const volumes = [
    { name: 'own', emptyDir: {} },
    { name: 'data', emptyDir: {} },
  ]
  const names = (made: MadePod) => made.volumes?.map(({ name }) => name).join()

  test('is in memory, for the main container', () => {
    const made = pod({ containers: [{ ...main, volumeMounts: [data] }, side], volumes })
    expect(container('main', made).volumeMounts).toEqual([data, shm])
    expect(container('side', made).volumeMounts).toBeUndefined()
    expect(made.volumes).toContainEqual({ name: shm.name, emptyDir: { medium: 'Memory' } })
  })

  test('is what the job brings, where it does', () => {
    const made = pod({ containers: [{ ...main, volumeMounts: [own] }], volumes })
    expect(container('main', made).volumeMounts).toEqual([own])
    expect(names(made)).toBe('own,data')
  })

  test('is ours, where only a sidecar brings its own', () => {
    const made = pod({ containers: [main, { ...side, volumeMounts: [own] }], volumes })
    expect(container('main', made).volumeMounts).toEqual([shm])
    expect(names(made)).toBe('own,data,gpu-commons-shm')
  })
})

describe('the place of a worker', () => {
  const term = (name: string) => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] })

  test('is a node by its name, one term for each', () => {
    const nodes = ['node-1', 'node-2'].map((name) => ({ name, workers: 2 }))
    expect(pod({}, { workers: 4, nodes })['affinity']).toEqual({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term('node-1'), term('node-2')] },
      },
    })
  })

  test('on several nodes the workers are held even', () => {
    const nodes = ['node-1', 'node-2', 'node-3'].map((name) => ({ name, workers: 2 }))
    const labelSelector = { matchLabels: { 'gpucommons.io/run': runId(gpuRun()) } }
    expect(pod({}, { workers: 6, nodes })['topologySpreadConstraints']).toEqual([
      {
        maxSkew: 1,
        minDomains: 3,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector,
      },
    ])
  })

  test('on one node there is nothing to hold even', () => {
    expect(pod({}, { workers: 4, nodes: [{ name: 'node-1', workers: 4 }] })).not.toHaveProperty(
      'topologySpreadConstraints',
    )
  })

  test('a gang has the name under which it meets, a single worker has none', () => {
    expect([pod({}, { workers: 2 })['subdomain'], pod()['subdomain']]).toEqual([gpuRun().metadata.name, undefined])
  })

  test('only taints of GPUs are tolerated', () => {
    const tolerations = [
      { key: 'nvidia.com/gpu', operator: 'Equal', value: 'a', effect: 'NoExecute', tolerationSeconds: 5 },
      { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' },
    ] as const
    expect(pod({ tolerations })['tolerations']).toEqual([{ key: 'nvidia.com/gpu', operator: 'Exists' }, tolerations[0]])
  })
})

describe('what a pod may not do', () => {
  const tight = {
    privileged: false,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }

  test('is tightened in every container, whatever the template says', () => {
    const anything = fc.record(
      {
        privileged: fc.boolean(),
        allowPrivilegeEscalation: fc.boolean(),
        capabilities: fc.constantFrom({ add: ['SYS_ADMIN'] }, { drop: ['KILL'] }, {}),
        seccompProfile: fc.constantFrom({ type: 'Unconfined' }, { type: 'Localhost', localhostProfile: 'x' }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(anything, anything, anything, (first, second, third) => {
        const loose = (one: Container, securityContext: object) => ({ ...one, securityContext }) as Container
        const init = { ...loose(side, third), name: 'init' }
        const made = pod({ containers: [loose(main, first), loose(side, second)], initContainers: [init] })
        for (const name of ['main', 'side', 'init']) expect(container(name, made).securityContext).toEqual(tight)
      }),
    )
  })

  test('what tightens further stays', () => {
    const securityContext = { runAsNonRoot: true, runAsUser: 1000, readOnlyRootFilesystem: true }
    const made = pod({ containers: [{ ...main, securityContext }], securityContext: { fsGroup: 7, runAsGroup: 8 } })
    expect(container('main', made).securityContext).toEqual({ ...securityContext, ...tight })
    expect(made['securityContext']).toEqual({ fsGroup: 7, runAsGroup: 8, seccompProfile: { type: 'RuntimeDefault' } })
  })

  test('of the pod itself only what is listed here travels', () => {
    const wanted: Readonly<Record<string, unknown>> = {
      hostNetwork: true,
      hostPID: true,
      nodeName: 'node-9',
      nodeSelector: { a: 'b' },
      serviceAccountName: 'admin',
      priorityClassName: 'system-node-critical',
      schedulerName: 'mine',
      runtimeClassName: 'nvidia',
      affinity: {},
    }
    const made = pod(wanted)
    expect(Object.keys(made).toSorted()).toEqual([
      'affinity',
      'automountServiceAccountToken',
      'containers',
      'enableServiceLinks',
      'priorityClassName',
      'restartPolicy',
      'securityContext',
      'tolerations',
      'volumes',
    ])
    expect(made).toMatchObject({
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      priorityClassName: 'gpu-commons-federated',
    })
    expect(made['affinity']).not.toEqual({})
  })

  test('the time to end is what the template says', () => {
    expect(pod({ terminationGracePeriodSeconds: 0 })['terminationGracePeriodSeconds']).toBe(0)
  })
})
