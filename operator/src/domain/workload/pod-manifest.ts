// The pod of one worker: the tenant's template, tightened, pinned and given its place in the gang.
import type { GpuRun } from '../../api/gpurun.ts'
import { RUN_LABEL } from '../../api/labels.ts'
import type { OwnerRules } from '../../api/owner-rules.ts'
import type { Container, EnvVar, InitContainer, PodTemplate } from '../../api/template.ts'
import { GPU_RESOURCE } from '../../api/template-containers.ts'
import { runId } from '../lifecycle/gpurun.ts'
import { asJudged } from '../rules/owner-rules.ts'
import { withDiskLimit } from './tenant-walls.ts'

export interface ProviderContext {
  /** The tenant's namespace on the provider. */
  readonly namespace: string
  readonly hubUid: string
  readonly provider: string
  readonly rules: OwnerRules
  /** What the run's nodes offer their GPUs as. */
  readonly gpuResource: string
}

/** Pods of the federation: lower than the owner's own, and they push nobody out. */
export const priorityClassName = 'gpu-commons-federated'

/** Where the workers of a gang meet, as PyTorch names it. */
const masterPort = '29500'
const sharedMemory = { name: 'gpu-commons-shm', mountPath: '/dev/shm' }

export type PodManifestSpec = Readonly<Record<string, unknown>> & {
  readonly containers: readonly Readonly<Record<string, unknown>>[]
}

export function podSpec(run: GpuRun, context: ProviderContext): PodManifestSpec {
  const { rules } = context
  const { spec } = asJudged(run.spec.template, rules)
  const main = mainContainer(spec.containers)
  const bringsSharedMemory = main?.volumeMounts?.some(
    ({ mountPath }) => mountPath.replace(/\/+$/, '') === sharedMemory.mountPath,
  )
  const gang = gangEnv(run, context)
  const containers = spec.containers.map((container) =>
    container === main
      ? mainManifest(run, { container, env: gang, sharedMemory: !bringsSharedMemory, resource: context.gpuResource })
      : sideManifest(container, gang),
  )
  const volumes = [
    ...(spec.volumes ?? []),
    ...(bringsSharedMemory ? [] : [{ name: sharedMemory.name, emptyDir: { medium: 'Memory' } }]),
  ]
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    priorityClassName,
    ...(rules.runtimeClassName === undefined ? {} : { runtimeClassName: rules.runtimeClassName }),
    ...(run.spec.workers > 1 ? { subdomain: run.metadata.name } : {}),
    ...pins(run),
    tolerations: [{ key: GPU_RESOURCE, operator: 'Exists' }, ...travelling(spec.tolerations, rules)],
    securityContext: { ...spec.securityContext, seccompProfile: { type: 'RuntimeDefault' } },
    ...(spec.terminationGracePeriodSeconds === undefined
      ? {}
      : { terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds }),
    ...(spec.initContainers
      ? { initContainers: spec.initContainers.map((container) => sideManifest(container, gang)) }
      : {}),
    containers,
    ...(spec.imagePullSecrets ? { imagePullSecrets: spec.imagePullSecrets } : {}),
    ...(volumes.length > 0 ? { volumes } : {}),
  }
}

/** Other keys are the owner's to allow. */
function travelling(
  tolerations: PodTemplate['spec']['tolerations'] = [],
  { taints = [] }: OwnerRules,
): NonNullable<PodTemplate['spec']['tolerations']> {
  return tolerations.filter(({ key }) => key === GPU_RESOURCE || taints.includes(key))
}

/** The one with a GPU limit, else the first: it gets the GPUs, and its exit code decides. */
export function mainContainer(containers: readonly Container[]): Container | undefined {
  return containers.find(({ resources }) => resources?.limits?.[GPU_RESOURCE] !== undefined) ?? containers[0]
}

/**
 * `matchFields` names the nodes themselves: a hostname label may differ from the name. The spread keeps
 * the workers even, because the one template of a Job cannot say which worker goes where.
 */
function pins(run: GpuRun): Record<string, unknown> {
  const { nodes } = run.spec
  const nodeSelectorTerms = nodes.map(({ name }) => ({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
  }))
  return {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    ...(nodes.length > 1
      ? {
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              minDomains: nodes.length,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: { [RUN_LABEL]: runId(run) } },
            },
          ],
        }
      : {}),
  }
}

interface MainParts {
  readonly container: Container
  readonly env: readonly EnvVar[]
  readonly sharedMemory: boolean
  readonly resource: string
}

function mainManifest(
  run: GpuRun,
  { container, env, sharedMemory: withSharedMemory, resource }: MainParts,
): Record<string, unknown> {
  const { requests, limits } = withDiskLimit(container.resources ?? {})
  // Tenants say nvidia.com/gpu, whatever the provider's device plugin calls it; a request follows from its limit.
  const { [GPU_RESOURCE]: _asked, ...otherRequests } = requests ?? {}
  const { [GPU_RESOURCE]: _limit, ...otherLimits } = limits ?? {}
  return {
    ...container,
    ...tightened(container),
    env: merged(container.env, env),
    resources: {
      ...(Object.keys(otherRequests).length > 0 ? { requests: otherRequests } : {}),
      limits: { ...otherLimits, [resource]: String(run.spec.gpus.count) },
    },
    ...(withSharedMemory ? { volumeMounts: [...(container.volumeMounts ?? []), sharedMemory] } : {}),
  }
}

/** A container without a GPU must say so: CUDA images carry NVIDIA_VISIBLE_DEVICES=all, which would show it every GPU of the node. */
function sideManifest(container: Container | InitContainer, env: readonly EnvVar[]): Record<string, unknown> {
  return {
    ...container,
    ...tightened(container),
    env: merged(container.env, [...env, { name: visibleDevices, value: 'void' }]),
    ...(container.resources ? { resources: withDiskLimit(container.resources) } : {}),
  }
}

function tightened({ securityContext }: Container | InitContainer): Record<string, unknown> {
  return {
    securityContext: {
      ...securityContext,
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

/** The device plugin sets it; a value from the template would win over that, and `all` would show every GPU of the node. */
const visibleDevices = 'NVIDIA_VISIBLE_DEVICES'

/** What NVIDIA's container runtime reads to decide which devices a container sees: the provider's business. */
const choosesDevices =
  /^(NVIDIA_(VISIBLE_DEVICES|MIG_CONFIG_DEVICES|MIG_MONITOR_DEVICES|IMEX_CHANNELS|MOFED|GDS|GDRCOPY|NVSWITCH)|DOCKER_RESOURCE_.*)$/

/** Ours first, so that the tenant's variables may refer to them with $(RANK); a name of ours is ours alone. */
function merged(tenant: readonly EnvVar[] | undefined, ours: readonly EnvVar[]): EnvVar[] {
  const names = new Set(ours.map(({ name }) => name))
  return [...ours, ...(tenant ?? []).filter(({ name }) => !names.has(name) && !choosesDevices.test(name))]
}

function gangEnv(run: GpuRun, { provider }: ProviderContext): EnvVar[] {
  const { name } = run.metadata
  const { fraction } = run.spec.gpus
  const rank = { fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']" } }
  return [
    { name: 'GPU_COMMONS_JOB', value: `${run.spec.job.namespace}/${run.spec.job.name}` },
    { name: 'GPU_COMMONS_RUN', value: String(run.spec.run) },
    { name: 'GPU_COMMONS_PROVIDER', value: provider },
    ...(fraction === undefined ? [] : [{ name: 'GPU_COMMONS_GPU_FRACTION', value: fraction }]),
    { name: 'RANK', valueFrom: rank },
    { name: 'WORLD_SIZE', value: String(run.spec.workers) },
    { name: 'MASTER_ADDR', value: run.spec.workers > 1 ? `${name}-0.${name}` : 'localhost' },
    { name: 'MASTER_PORT', value: masterPort },
  ]
}
