/** What of a pod on a provider is not known to be harmless: only what is listed here may be there. */
import { RUN_LABEL } from '../../../operator/src/api/labels.ts'

type Fields = Readonly<Record<string, unknown>>
type Judge = (value: unknown) => boolean

export interface PodSeen {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Fields }
  readonly spec: Fields
}

export interface Ours {
  /** Of the GpuRun, and so of its Job and its Secrets. */
  readonly run: string
  /** Value of RUN_LABEL. */
  readonly id: string
}

/** Empty: it is harmless. */
export function harmIn({ metadata: { labels = {}, annotations = {} }, spec }: PodSeen, ours: Ours): string[] {
  return [
    ...unlisted('spec', spec, podFields(ours)),
    ...Object.keys(labels).filter((key) => !mayBeLabel.test(key)),
    ...Object.keys(annotations).filter((key) => !mayBeAnnotation.test(key)),
    ...(labels[RUN_LABEL] === ours.id ? [] : ['the label of another run']),
  ]
}

const mayBeLabel =
  /^(gpucommons\.io\/(hub-uid|run|run-number|job|job-uid|job-namespace)|tenant\.gpucommons\.io\/.+|batch\.kubernetes\.io\/(job-name|controller-uid|job-completion-index)|job-name|controller-uid|apps\.kubernetes\.io\/pod-index)$/
const mayBeAnnotation = /^(batch\.kubernetes\.io\/job-completion-index|kubernetes\.io\/limit-ranger)$/

const any: Judge = () => true
const is =
  (...values: readonly unknown[]): Judge =>
  (value) =>
    values.includes(value)
const matches =
  (pattern: RegExp): Judge =>
  (value) =>
    pattern.test(String(value))

function podFields(ours: Ours): Readonly<Record<string, Judge>> {
  const containers = listOf(containerFields(ours))
  return {
    containers,
    initContainers: containers,
    volumes: listOf(volumeFields(ours)),
    restartPolicy: is('Never'),
    automountServiceAccountToken: is(false),
    enableServiceLinks: is(false),
    serviceAccountName: is('default'),
    serviceAccount: is('default'),
    priorityClassName: is('gpu-commons-federated'),
    priority: is(-1000),
    preemptionPolicy: is('Never'),
    schedulerName: is('default-scheduler'),
    dnsPolicy: is('ClusterFirst'),
    affinity: (value) => !/podA|"labels"/.test(JSON.stringify(value)),
    topologySpreadConstraints: any,
    tolerations: (value) =>
      (value as { key?: string }[]).every(({ key }) =>
        /^(nvidia\.com\/gpu|node\.kubernetes\.io\/(not-ready|unreachable))$/.test(key ?? ''),
      ),
    securityContext: only({
      runAsUser: any,
      runAsGroup: any,
      runAsNonRoot: any,
      fsGroup: any,
      fsGroupChangePolicy: any,
      supplementalGroups: any,
      seccompProfile: only({ type: is('RuntimeDefault') }),
    }),
    terminationGracePeriodSeconds: (value) => Number(value) <= 3600,
    imagePullSecrets: listOf({ name: matches(new RegExp(`^${ours.run}-.+-pull$`)) }),
    hostname: is(`${ours.run}-0`),
    subdomain: is(ours.run),
    nodeName: any,
  }
}

function containerFields(ours: Ours): Readonly<Record<string, Judge>> {
  const port = only({ path: any, port: any, scheme: any, httpHeaders: any, service: any })
  const probe = only({
    exec: any,
    httpGet: port,
    tcpSocket: port,
    grpc: port,
    ...Object.fromEntries(
      ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'failureThreshold', 'successThreshold'].map((name) => [
        name,
        any,
      ]),
    ),
    terminationGracePeriodSeconds: any,
  })
  return {
    ...Object.fromEntries(
      ['name', 'image', 'command', 'args', 'imagePullPolicy', 'restartPolicy'].map((name) => [name, any]),
    ),
    workingDir: (value) => !/^\/(proc|sys)/.test(String(value)),
    terminationMessagePath: is('/dev/termination-log'),
    terminationMessagePolicy: is('File'),
    env: (value) => (value as Variable[]).every((variable) => isHarmless(variable, ours)),
    ports: listOf({ name: any, containerPort: any, protocol: any }),
    resources: only({ limits: amounts, requests: amounts }),
    volumeMounts: listOf({
      name: any,
      mountPath: (value) => !/^\/(proc|sys|dev(?!\/shm)|(var\/)?run\/secrets)(\/|$)/.test(String(value)),
      subPath: (value) => !/(^|\/)\.\.(\/|$)|^\//.test(String(value)),
      readOnly: any,
    }),
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    securityContext: (value) =>
      only({
        runAsUser: any,
        runAsGroup: any,
        runAsNonRoot: any,
        readOnlyRootFilesystem: any,
        privileged: is(false),
        allowPrivilegeEscalation: is(false),
        capabilities: (all) => JSON.stringify(all) === '{"drop":["ALL"]}',
        seccompProfile: only({ type: is('RuntimeDefault') }),
      })(value) && (value as Fields)['allowPrivilegeEscalation'] === false,
  }
}

const amounts: Judge = (value) =>
  Object.keys(value as Fields).every((name) => is('cpu', 'memory', 'ephemeral-storage', 'nvidia.com/gpu')(name))

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string }
    readonly secretKeyRef?: { readonly name: string }
  }
}

function isHarmless({ name, value, valueFrom, ...rest }: Variable, ours: Ours): boolean {
  if (Object.keys(rest).length > 0) return false
  if (/^(DOCKER_RESOURCE_|NVIDIA_(VISIBLE_DEVICES|IMEX|MIG_(CONFIG|MONITOR)|MOFED|GDS|GDRCOPY|NVSWITCH))/.test(name))
    return value === 'void'
  if (!valueFrom) return true
  const { fieldRef, secretKeyRef, ...others } = valueFrom
  return (
    Object.keys(others).length === 0 &&
    /^(metadata\.|spec\.nodeName$|status\.podIPs?$|$)/.test(fieldRef?.fieldPath ?? '') &&
    (secretKeyRef === undefined || secretKeyRef.name.startsWith(`${ours.run}-`))
  )
}

function volumeFields(ours: Ours): Readonly<Record<string, Judge>> {
  const ownSecret: Judge = (value) => {
    const { secretName, name } = value as { secretName?: string; name?: string }
    return (secretName ?? name ?? '').startsWith(`${ours.run}-`)
  }
  return {
    name: any,
    emptyDir: only({ medium: is('Memory'), sizeLimit: any }),
    secret: ownSecret,
    projected: only({
      defaultMode: any,
      sources: listOf({
        secret: ownSecret,
        downwardAPI: (value) => !/status|spec|Ref":\{"resource/.test(JSON.stringify(value)),
      }),
    }),
    ephemeral: only({
      volumeClaimTemplate: only({
        metadata: (value) => JSON.stringify(value) === '{}',
        spec: only({ accessModes: any, storageClassName: any, volumeMode: is('Filesystem'), resources: any }),
      }),
    }),
  }
}

function only(fields: Readonly<Record<string, Judge>>): Judge {
  return (value) => unlisted('', value as Fields, fields).length === 0
}

function listOf(fields: Readonly<Record<string, Judge>>): Judge {
  return (value) => (value as readonly Fields[]).every(only(fields))
}

function unlisted(where: string, value: Fields, fields: Readonly<Record<string, Judge>>): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const judge = fields[name]
    return judge?.(inner) ? [] : [`${where}.${name}: ${JSON.stringify(inner)?.slice(0, 600)}`]
  })
}
