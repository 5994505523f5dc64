// What a person can set in our charts: values.yaml, values.schema.json and the table in each chart's README come from here.
import { z } from 'zod'
import { ownerRulesSchema } from '../../operator/src/api/owner-rules.ts'
import { providerName } from '../../operator/src/api/provider.ts'
import { defaultWeights, mostWeight, type ScoreName } from '../../operator/src/domain/scheduling/weights.ts'

const text = (most: number) => z.string().max(most)
const seconds = (least: number, most: number) => z.int().min(least).max(most)
const labels = z.record(z.string().max(253), z.string().max(253))

/** `--set` of Helm makes a text of 0.25. */
const weight = (name: ScoreName) =>
  z
    .union([z.number().min(0).max(mostWeight), z.string().regex(/^[0-9]{1,3}(\.[0-9]{1,4})?$/)])
    .default(defaultWeights.find((one) => one.name === name)?.weight ?? 0)

const image = z
  .strictObject({
    repository: text(253).min(1).default('gpu-commons').describe('where the one image of hub and agent is had from'),
    tag: text(128).default('').describe('its tag; empty: the version of the chart'),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default('')
      .describe('in place of the tag: `sha256:…`'),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent').describe('as of a container'),
    pullSecrets: z
      .array(text(253).min(1))
      .max(8)
      .default([])
      .describe('names of Secrets of the release’s namespace with which it is pulled'),
  })
  .prefault({})

function resources(memory: string) {
  const amounts = z.record(z.string().max(63), z.union([z.string().max(32), z.number()]))
  return z
    .strictObject({
      requests: amounts.default({ cpu: '50m', memory: '128Mi' }).describe('as of a container'),
      limits: amounts.default({ memory }).describe('as of a container; no limit of CPU, which would only make it late'),
    })
    .prefault({})
}

const pods = {
  replicas: z.int().min(1).max(5).default(2).describe('how many pods; one works, the others take over'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('one JSON line each'),
  podLabels: labels.default({}).describe('further labels of the pods'),
  podAnnotations: labels.default({}).describe('annotations of the pods'),
  nodeSelector: labels.default({}).describe('as of a pod'),
  tolerations: z
    .array(z.looseObject({}))
    .max(32)
    .default([])
    .describe('as of a pod, beside the short ones for a node that is lost'),
  priorityClassName: text(253).default('').describe('as of a pod'),
}

const networkPolicy = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('the pods take connections for metrics only and open them for DNS and to API servers only'),
    apiServerPorts: z
      .array(z.int().min(1).max(65_535))
      .min(1)
      .max(16)
      .default([443, 6443])
      .describe('of the API servers that are asked'),
  })
  .prefault({})

const serviceMonitor = z
  .strictObject({
    enabled: z.boolean().default(false).describe('for the Prometheus operator, whose kinds must be there'),
    labels: labels.default({}).describe('by which your Prometheus finds it'),
    interval: z
      .string()
      .regex(/^[1-9][0-9]{0,3}[sm]$/)
      .default('30s')
      .describe('how often it is asked'),
  })
  .prefault({})

/** Helm hands it to every chart that is part of another one. */
const global = z.record(z.string(), z.unknown()).optional().describe('not used')

export const hubValues = z.strictObject({
  image,
  ...pods,
  resources: resources('1Gi'),
  suspectAfterSeconds: seconds(5, 3600).default(15).describe('silence after which a provider gets no new work'),
  tombstoneSeconds: seconds(60, 86_400).default(600).describe('how long a GpuRun outlives its job at the least'),
  weights: z
    .strictObject({
      price: weight('price').describe(
        'how many GPUs of no use to others are as bad, per GPU, as its price where all of that is spent in vain; half where the cheapest costs half',
      ),
      losses: weight('losses').describe(
        'the same for runs that are lost: where all of them were taken back or not heard of again',
      ),
      moving: weight('moving').describe('the same for another provider than the one where the job ran last'),
      breaking: weight('breaking').describe(
        'how many GPUs of no use to others are as bad as a node of which nobody had anything, and that the job breaks up',
      ),
    })
    .prefault({})
    .describe(
      'of what speaks against a place: 1 is as bad as one GPU that becomes of no use to others, for each GPU taken or node broken up',
    ),
  tenantNamespaces: z
    .array(text(63).min(1))
    .max(500)
    .default([])
    .describe('the only ones from which the hub may read the Secrets and ConfigMaps that jobs name; empty: all'),
  crds: z
    .strictObject({
      install: z
        .boolean()
        .default(true)
        .describe('the kinds are made and upgraded with the chart; they stay when it goes'),
    })
    .prefault({}),
  networkPolicy,
  serviceMonitor,
  global,
})

export const agentValues = z.strictObject({
  provider: providerName().describe('the name of your Provider on the hub; the invite’s line has it'),
  hub: z
    .strictObject({
      url: z
        .string()
        .regex(/^https:\/\/[^\s/]+$/)
        .max(512)
        .describe('of the hub’s API server, such as `https://hub.example.org:6443`'),
      ca: z
        .string()
        .regex(/^[A-Za-z0-9+/=]+$/)
        .max(200_000)
        .describe('its CA certificates: PEM, in base64'),
    })
    .describe('the hub'),
  invite: z
    .strictObject({
      id: text(63).default('').describe('of the invite; not needed any more once the agent has joined'),
      token: text(8192).default('').describe('of the invite; it is good once'),
      ownerKey: text(4096).default('').describe('your Ed25519 key (PEM), where the Provider pins it'),
    })
    .prefault({}),
  image,
  ...pods,
  resources: resources('512Mi'),
  heartbeatSeconds: seconds(1, 5).default(5).describe('how often the agent renews its Lease on the hub'),
  orphanAfterSeconds: seconds(60, 86_400).default(600).describe('how long a Job of ours stays that no GpuRun orders'),
  leaveSeconds: seconds(10, 3600)
    .default(120)
    .describe('how long `helm uninstall` gives what runs to end; `--timeout` of helm must be longer by some minutes'),
  rules: ownerRulesSchema
    .prefault({})
    .describe('what you let jobs do on your machines; crds/providerreport.md explains each'),
  rackLabel: text(317)
    .regex(/^[A-Za-z0-9][-A-Za-z0-9_.]*([/][A-Za-z0-9][-A-Za-z0-9_.]*)?$/)
    .default('topology.kubernetes.io/rack')
    .describe('the label of your nodes that says in which rack they are; jobs may ask for one rack'),
  closedRanges: z
    .array(text(64).regex(/^[0-9a-fA-F.:]+[/][0-9]{1,3}$/))
    .max(64)
    .default([])
    .describe('ranges that tenants’ pods are kept away from beyond private addresses: public ones of your own network'),
  networkProbe: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('with each new version two pods find out whether your network enforces NetworkPolicies'),
    })
    .prefault({}),
  networkPolicy,
  serviceMonitor,
  global,
})
