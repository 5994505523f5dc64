// How to reach an API server and who we are there: from a kubeconfig, or from the files that every pod has.
import { readFileSync } from 'node:fs'
import type { RequestOptions as HttpsOptions } from 'node:https'
import { dirname, resolve } from 'node:path'
import { load, YAML11_SCHEMA } from 'js-yaml'
import { z } from 'zod'
import { fileSource, type Source, sameUntilChanged, tokenSource } from './credential-files.ts'
import { execCredential, execSchema } from './exec-plugin.ts'

export interface Access {
  /** Without a slash at its end; it may have a path. */
  readonly server: string
  /** Of the context: where things are looked for that are named without a namespace. */
  readonly namespace?: string | undefined
  /** Who we are for a request made now. */
  readonly identity: () => Identity | Promise<Identity>
  /** The server did not believe us: all is read and asked anew before the next request. */
  readonly renew: (refused: Identity) => void
}

export interface Identity {
  /** The same object as long as nothing in it has changed. */
  readonly tls: Tls
  /** The value of the Authorization header. */
  readonly authorization: string | undefined
}

export interface Tls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: false
}

const named = <K extends string>(key: K) => z.array(z.looseObject({ name: z.string(), [key]: z.unknown() })).default([])

const fileSchema = z.looseObject({
  'current-context': z.string().optional(),
  clusters: named('cluster'),
  users: named('user'),
  contexts: named('context'),
})

const contextSchema = z.looseObject({ cluster: z.string(), user: z.string(), namespace: z.string().optional() })

// Strict where a field that we do not know could mean another place or another identity than we would use.
const clusterSchema = z.strictObject({
  server: z.url({ protocol: /^https?$/ }),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.base64().optional(),
  'tls-server-name': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'disable-compression': z.boolean().optional(),
  extensions: z.array(z.looseObject({ name: z.string(), extension: z.unknown() })).optional(),
})

const userSchema = z.strictObject({
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.base64().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.base64().optional(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  exec: execSchema.optional(),
  'auth-provider': z.unknown().optional(),
  extensions: z.unknown().optional(),
})

type User = z.infer<typeof userSchema>

/**
 * Without a context the file's current one is meant. Errors name the file and the field. The address is that of the
 * first reading; who we are is read again from the file when the server does not believe us.
 */
export async function accessOfKubeconfig(file: string, context?: string): Promise<Access> {
  const named = (error: unknown) =>
    new Error(`reading kubeconfig ${file}: ${(error as Error).message}`, { cause: error })
  const read = () => identitySource(parseKubeconfig(readFileSync(file, 'utf8'), context), dirname(resolve(file)))
  try {
    const { cluster, namespace } = parseKubeconfig(readFileSync(file, 'utf8'), context)
    const access = renewable(cluster.server.replace(/\/+$/, ''), read, named)
    await access.identity() // What is wrong with it is said now, and not when it is needed.
    return { ...access, namespace }
  } catch (error) {
    throw (error as Error).message.startsWith('reading kubeconfig') ? error : named(error)
  }
}

/** As every pod finds it: the service's address from the environment, token and CA in files. */
export function accessInCluster({
  host,
  port,
  directory = '/var/run/secrets/kubernetes.io/serviceaccount',
}: {
  readonly host: string
  readonly port: string
  readonly directory?: string
}): Access {
  const named = (error: unknown) => new Error(`reading ${directory}: ${(error as Error).message}`, { cause: error })
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  const read = (): Access['identity'] => {
    const ca = fileSource(`${directory}/ca.crt`)
    const authorization = tokenSource(`${directory}/token`)
    const tls = sameUntilChanged(() => ({ ca: ca() }))
    return () => ({ tls: tls(), authorization: authorization() })
  }
  return renewable(server, read, named)
}

function renewable(server: string, read: () => Access['identity'], named: (error: unknown) => Error): Access {
  let source: Access['identity'] | undefined
  let last: Identity | undefined
  return {
    server,
    identity: async () => {
      try {
        source ??= read()
        const identity = await source()
        last = identity
        return identity
      } catch (error) {
        throw named(error)
      }
    },
    // Of many requests that were refused together, the first one renews for all.
    renew: (refused) => {
      if (last?.authorization !== refused.authorization || last?.tls !== refused.tls) return
      last = undefined // Until the new one is there, as an exec plugin takes its time.
      source = undefined
    },
  }
}

type Parsed = ReturnType<typeof parseKubeconfig>

function identitySource({ cluster, user }: Parsed, directory: string): Access['identity'] {
  const clusterTls = tlsOfCluster(cluster, directory)
  if (user.exec) {
    const ask = execCredential(user.exec, { directory, cluster: clusterInfo(cluster, clusterTls()) })
    const own = { cert: undefined as string | undefined, key: undefined as string | undefined }
    const tls = sameUntilChanged(() => ({
      ...clusterTls(),
      ...(own.cert && own.key ? { cert: own.cert, key: own.key } : {}),
    }))
    return async () => {
      const { token, cert, key } = await ask()
      Object.assign(own, { cert, key })
      return { tls: tls(), authorization: token && `Bearer ${token}` }
    }
  }
  if (user['auth-provider'] !== undefined) {
    const ask = providerToken(user['auth-provider'])
    return async () => ({ tls: clusterTls(), authorization: await ask() })
  }
  const own = certificateOf(user, directory)
  const tls = sameUntilChanged(() => ({ ...clusterTls(), ...own() }))
  const authorization = authorizationOf(user, directory)
  return () => ({ tls: tls(), authorization: authorization() })
}

/** What a plugin hears of the cluster where it wants to. */
function clusterInfo(cluster: Parsed['cluster'], { ca }: Tls): object {
  const { server, extensions = [] } = cluster
  const config = extensions.find(({ name }) => name === 'client.authentication.k8s.io/exec')?.extension
  return {
    server,
    ...(cluster['tls-server-name'] ? { 'tls-server-name': cluster['tls-server-name'] } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { 'insecure-skip-tls-verify': true } : {}),
    ...(ca ? { 'certificate-authority-data': Buffer.from(ca).toString('base64') } : {}),
    ...(config === undefined ? {} : { config }),
  }
}

function parseKubeconfig(text: string, context: string | undefined) {
  // kubectl reads YAML 1.1; so must we, or the same file would mean different things.
  const file = check('kubeconfig', fileSchema, load(text, { schema: YAML11_SCHEMA }))
  const chosen = context ?? file['current-context']
  if (!chosen) throw new Error('it has no current-context; name one')
  const { cluster, user, namespace } = check(
    `context ${chosen}`,
    contextSchema,
    entry(file.contexts, 'context', chosen),
  )
  return {
    cluster: check(`cluster ${cluster}`, clusterSchema, entry(file.clusters, 'cluster', cluster)),
    user: check(`user ${user}`, userSchema, entry(file.users, 'user', user) ?? {}),
    namespace: namespace === '' ? undefined : namespace,
  }
}

function entry(list: readonly Record<string, unknown>[], kind: string, name: string): unknown {
  const found = list.find((one) => one['name'] === name)
  if (!found)
    throw new Error(`it has no ${kind} named ${name} (there are: ${list.map((one) => one['name']).join(', ')})`)
  return found[kind]
}

function check<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  throw new Error(`${[what, ...(issue?.path ?? [])].join('.')}: ${issue?.message}`)
}

function tlsOfCluster(cluster: z.infer<typeof clusterSchema>, directory: string): () => Tls {
  const ca = content(
    { inline: cluster['certificate-authority-data'], path: cluster['certificate-authority'] },
    directory,
  )
  const servername = cluster['tls-server-name']
  return sameUntilChanged(() => ({
    ...(ca ? { ca: ca() } : {}),
    ...(servername ? { servername } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { rejectUnauthorized: false as const } : {}),
  }))
}

function certificateOf(user: User, directory: string): () => Tls {
  const cert = content({ inline: user['client-certificate-data'], path: user['client-certificate'] }, directory)
  const key = content({ inline: user['client-key-data'], path: user['client-key'] }, directory)
  if (!cert !== !key) throw new Error('a client certificate and its key must come together')
  return () => (cert && key ? { cert: cert(), key: key() } : {})
}

/** Inline content wins over a file, as in kubectl. */
function content(
  source: { inline: string | undefined; path: string | undefined },
  directory: string,
): Source | undefined {
  if (source.inline) {
    const decoded = Buffer.from(source.inline, 'base64')
    return () => decoded
  }
  return source.path ? fileSource(resolve(directory, source.path)) : undefined
}

function authorizationOf(user: User, directory: string): () => string | undefined {
  if (user.tokenFile) return tokenSource(resolve(directory, user.tokenFile))
  const header = user.token ? `Bearer ${user.token}` : undefined
  return () => header
}

/** OIDC and its like: the official client does them well, but costs 90 MB, so it is loaded only here. */
function providerToken(authProvider: unknown): () => Promise<string | undefined> {
  const loading = import('@kubernetes/client-node').then(({ KubeConfig }) => {
    const config = new KubeConfig()
    // The chosen user alone: it would refuse the whole file for a fault in an entry that nobody asked for.
    const users = [{ name: 'chosen', authProvider }]
    const contexts = [{ name: 'chosen', cluster: 'chosen', user: 'chosen' }]
    config.loadFromOptions({ clusters: [], users, contexts, currentContext: 'chosen' })
    return config
  })
  return async () => {
    const options: HttpsOptions = { headers: {} }
    await (await loading).applyToHTTPSOptions(options)
    return (options.headers as Readonly<Record<string, string>>)['Authorization']
  }
}
