/** Who may do what: asked of the authorizer, and tried for real. */
import type { ApiRequest, Ask } from '../bed/api-requests.ts'

export interface Who {
  /** As the golden table calls it. */
  readonly name: string
  /** `undefined`: nobody. */
  readonly user: string | undefined
  readonly groups: readonly string[]
  /** What the API server answers to a request of theirs. */
  readonly ask: Ask
}

export interface Thing {
  /** `gpuruns.gpucommons.io/status`, `secrets` */
  readonly resource: string
  readonly version: string
  readonly namespaced: boolean
  /** Names to ask for beside a name that nobody knows. */
  readonly names?: readonly string[]
}

/** `v1` things of Kubernetes that could give somebody more than he has, and our own kinds. */
export const things: readonly Thing[] = [
  ...['gpujobs', 'gpujobs/status', 'gpuruns', 'gpuruns/status', 'gpunodes', 'gpunodes/status'].map(ours),
  ...['providerreports', 'joinrequests', 'joinrequests/status'].map(ours),
  ...['providers', 'providers/status', 'gpuqueues', 'gpuqueues/status'].map((one) => ({
    ...ours(one),
    namespaced: false,
  })),
  { ...core('secrets'), names: ['agent-token', 'gpu-commons-hub'] },
  core('configmaps'),
  core('pods'),
  core('pods/exec'),
  core('pods/log'),
  core('services'),
  core('events'),
  core('limitranges'),
  of('networking.k8s.io', 'networkpolicies'),
  { ...of('discovery.k8s.io', 'endpointslices'), names: ['kubernetes'] },
  { ...core('serviceaccounts'), names: ['agent'] },
  { ...core('serviceaccounts/token'), names: ['agent', 'hub'] },
  { ...core('resourcequotas'), names: ['gpc-provider'] },
  { ...core('resourcequotas/status'), names: ['gpc-provider'] },
  { ...core('namespaces'), namespaced: false },
  { ...core('nodes'), namespaced: false },
  { ...of('coordination.k8s.io', 'leases'), names: ['agent', 'gpu-commons-hub'] },
  of('batch', 'jobs'),
  of('apps', 'deployments'),
  of('apps', 'deployments/scale'),
  of('rbac.authorization.k8s.io', 'roles'),
  { ...of('rbac.authorization.k8s.io', 'rolebindings'), names: ['gpc-provider-agent'] },
  {
    ...of('rbac.authorization.k8s.io', 'clusterroles'),
    namespaced: false,
    names: ['gpc-tenant-namespace', 'cluster-admin'],
  },
  { ...of('rbac.authorization.k8s.io', 'clusterrolebindings'), namespaced: false },
  { ...of('scheduling.k8s.io', 'priorityclasses'), namespaced: false, names: ['gpu-commons-federated'] },
  { ...of('admissionregistration.k8s.io', 'validatingadmissionpolicies'), namespaced: false },
  { ...of('flowcontrol.apiserver.k8s.io', 'flowschemas'), namespaced: false },
  { ...of('flowcontrol.apiserver.k8s.io', 'prioritylevelconfigurations'), namespaced: false },
  { ...of('apiextensions.k8s.io', 'customresourcedefinitions'), namespaced: false, names: ['gpuruns.gpucommons.io'] },
]

function ours(resource: string): Thing {
  const [plural = '', sub] = resource.split('/')
  return { resource: `${plural}.gpucommons.io${sub ? `/${sub}` : ''}`, version: 'v1alpha1', namespaced: true }
}

function core(resource: string): Thing {
  return { resource, version: 'v1', namespaced: true }
}

function of(group: string, resource: string): Thing {
  const [plural = '', sub] = resource.split('/')
  return { resource: `${plural}.${group}${sub ? `/${sub}` : ''}`, version: 'v1', namespaced: true }
}

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const
type Verb = (typeof verbs)[number]

/** Verbs that are asked for and have no request of their own. */
const special = ['bind', 'escalate', 'impersonate'] as const

/** A name that no rule names. */
const unknown = 'somebody-elses'

export interface Cell {
  readonly verb: string
  readonly thing: Thing
  /** `undefined`: in all of them. */
  readonly namespace: string | undefined
  readonly name: string | undefined
}

/** Each verb on each thing in each namespace; in all namespaces at once only what has a request for that. */
export function cellsIn(namespaces: readonly string[]): readonly Cell[] {
  return things.flatMap((thing) => {
    const [kind = '', sub] = thing.resource.split('/')
    const possible: readonly string[] = sub ? verbs.filter((verb) => subVerbs(sub).includes(verb)) : verbs
    const more = /^(clusterroles|roles)\./.test(kind)
      ? ['bind', 'escalate']
      : /^serviceaccounts$/.test(kind)
        ? ['impersonate']
        : []
    const places = thing.namespaced ? [...namespaces, undefined] : [undefined]
    return places.flatMap((namespace) =>
      [...possible, ...(sub ? [] : more)].flatMap((verb) => {
        const isOnMany = ['list', 'watch', 'deletecollection'].includes(verb)
        const isNameless = isOnMany || (verb === 'create' && !sub)
        if (thing.namespaced && namespace === undefined && !['list', 'watch'].includes(verb)) return []
        const names = isNameless ? [undefined] : [...(thing.names ?? []), unknown]
        return names.map((name) => ({ verb, thing, namespace, name }))
      }),
    )
  })
}

function subVerbs(sub: string): readonly Verb[] {
  if (sub === 'token') return ['create']
  if (sub === 'exec') return ['create', 'get']
  return sub === 'log' ? ['get'] : ['get', 'update', 'patch']
}

/** As a line of the golden table names it, without the verb. */
export function placeOf({ thing, namespace, name }: Cell): string {
  const where = thing.namespaced ? ` in ${namespace ?? 'all namespaces'}` : ''
  return `${thing.resource}${name === undefined || name === unknown ? '' : ` ${name}`}${where}`
}

/** What the authorizer says. */
export async function isAllowed(admin: Ask, { user = 'system:anonymous', groups }: Who, cell: Cell): Promise<boolean> {
  const [kind = '', subresource] = cell.thing.resource.split('/')
  const [resource = '', ...group] = kind.split('.')
  const resourceAttributes = {
    verb: cell.verb,
    group: group.join('.'),
    version: cell.thing.version,
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(cell.namespace === undefined ? {} : { namespace: cell.namespace }),
    ...(cell.name === undefined ? {} : { name: cell.name }),
  }
  const { body } = await admin('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    method: 'POST',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user, groups, resourceAttributes },
    },
  })
  return (body as { status: { allowed: boolean } }).status.allowed
}

export function canBeTried({ verb, thing }: Cell): boolean {
  return !special.some((one) => one === verb) && !thing.resource.endsWith('/exec')
}

/** Whether the API server lets it through to where it looks at the object: nothing is changed by it. */
export async function isLetIn({ ask }: Who, cell: Cell): Promise<boolean> {
  const [kind = '', subresource] = cell.thing.resource.split('/')
  const [plural = '', ...group] = kind.split('.')
  const root = group.length === 0 ? '/api/v1' : `/apis/${group.join('.')}/${cell.thing.version}`
  const path = [
    root,
    ...(cell.namespace === undefined ? [] : ['namespaces', cell.namespace]),
    plural,
    ...(cell.name === undefined ? [] : [cell.name]),
    ...(subresource === undefined ? [] : [subresource]),
  ].join('/')
  const { status } = await ask(path + queryOf(cell.verb), requestOf(cell))
  return status !== 403 && status !== 401
}

function queryOf(verb: string): string {
  if (verb === 'watch') return '?watch=1&timeoutSeconds=1&resourceVersion=0'
  if (verb === 'list') return '?limit=1'
  return verb === 'get' ? '' : '?dryRun=All'
}

/** As an agent may ask for one: joining.test.ts has what it may not. */
const tokenRequest = {
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  spec: { expirationSeconds: 3600, boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'agent-token' } },
}

/** Bodies that no kind takes: whoever may not do it is refused before that, with 403. */
function requestOf({ verb, thing }: Cell): ApiRequest {
  switch (verb) {
    case 'create':
      return { method: 'POST', body: thing.resource === 'serviceaccounts/token' ? tokenRequest : {} }
    case 'update':
      return { method: 'PUT', body: {} }
    case 'patch':
      return { method: 'PATCH', body: {}, contentType: 'application/merge-patch+json' }
    case 'delete':
    case 'deletecollection':
      return { method: 'DELETE' }
    case 'watch':
      return { asText: true }
    default:
      return {}
  }
}
