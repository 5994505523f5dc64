// How to reach an API server and who we are there: from a kubeconfig, or from the files that every pod has.
import { readFileSync, statSync } from 'node:fs'
import type { RequestOptions as HttpsOptions } from 'node:https'
import { dirname, resolve } from 'node:path'
import { load, YAML11_SCHEMA } from 'js-yaml'
import { z } from 'zod'

export interface Access {
  /** Without a slash at its end; it may have a path. */
  readonly server: string
  readonly tls: Tls
  /** The value of the Authorization header for a request made now. */
  readonly authorization: () => string | undefined | Promise<string | undefined>
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

const contextSchema = z.looseObject({ cluster: z.string(), user: z.string() })

// Strict where a field that we do not know could mean another place or another identity than we would use.
const clusterSchema = z.strictObject({
  server: z.url({ protocol: /^https?$/ }),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.base64().optional(),
  'tls-server-name': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'disable-compression': z.boolean().optional(),
  extensions: z.unknown().optional(),
})

const userSchema = z.strictObject({
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.base64().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.base64().optional(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  exec: z.unknown().optional(),
  'auth-provider': z.unknown().optional(),
  extensions: z.unknown().optional(),
})

type User = z.infer<typeof userSchema>

/** Without a context the file's current one is meant. Errors name the file and the field. */
export async function accessOfKubeconfig(file: string, context?: string): Promise<Access> {
  try {
    const { cluster, user } = parseKubeconfig(readFileSync(file, 'utf8'), context)
    const directory = dirname(resolve(file))
    const clusterTls = tlsOfCluster(cluster, directory)
    const server = cluster.server.replace(/\/+$/, '')
    if (user.exec !== undefined || user['auth-provider'] !== undefined) {
      return { server, ...(await pluginIdentity(user, clusterTls)) }
    }
    const tls = { ...clusterTls, ...certificateOf(user, directory) }
    return { server, tls, authorization: authorizationOf(user, directory) }
  } catch (error) {
    throw new Error(`reading kubeconfig ${file}: ${(error as Error).message}`, { cause: error })
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
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tls: { ca: readFileSync(`${directory}/ca.crt`) },
    authorization: tokenFromFile(`${directory}/token`),
  }
}

function parseKubeconfig(text: string, context: string | undefined) {
  // kubectl reads YAML 1.1; so must we, or the same file would mean different things.
  const file = check('kubeconfig', fileSchema, load(text, { schema: YAML11_SCHEMA }))
  const chosen = context ?? file['current-context']
  if (!chosen) throw new Error('it has no current-context; name one')
  const { cluster, user } = check(`context ${chosen}`, contextSchema, entry(file.contexts, 'context', chosen))
  return {
    cluster: check(`cluster ${cluster}`, clusterSchema, entry(file.clusters, 'cluster', cluster)),
    user: check(`user ${user}`, userSchema, entry(file.users, 'user', user) ?? {}),
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

function tlsOfCluster(cluster: z.infer<typeof clusterSchema>, directory: string): Tls {
  const ca = content(
    { inline: cluster['certificate-authority-data'], path: cluster['certificate-authority'] },
    directory,
  )
  const servername = cluster['tls-server-name']
  return {
    ...(ca ? { ca } : {}),
    ...(servername ? { servername } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { rejectUnauthorized: false } : {}),
  }
}

/** Read once: a certificate that is renewed in its file is used after the next start. */
function certificateOf(user: User, directory: string): Tls {
  const cert = content({ inline: user['client-certificate-data'], path: user['client-certificate'] }, directory)
  const key = content({ inline: user['client-key-data'], path: user['client-key'] }, directory)
  if (!cert !== !key) throw new Error('a client certificate and its key must come together')
  return cert && key ? { cert, key } : {}
}

/** Inline content wins over a file, as in kubectl. */
function content(
  source: { inline: string | undefined; path: string | undefined },
  directory: string,
): Buffer | undefined {
  if (source.inline) return Buffer.from(source.inline, 'base64')
  return source.path ? readFileSync(resolve(directory, source.path)) : undefined
}

function authorizationOf(user: User, directory: string): Access['authorization'] {
  if (user.tokenFile) return tokenFromFile(resolve(directory, user.tokenFile))
  const header = user.token ? `Bearer ${user.token}` : undefined
  return () => header
}

/** Kubelets renew tokens in place: the file is looked at for each request (microseconds), read when it has changed. */
function tokenFromFile(path: string): () => string {
  let read: { header: string; version: string } | undefined
  return () => {
    const { mtimeMs, ino, size } = statSync(path)
    const version = `${mtimeMs} ${ino} ${size}`
    if (read?.version !== version) {
      const token = readFileSync(path, 'utf8').trim()
      if (!token) throw new Error(`the token file ${path} is empty`)
      read = { header: `Bearer ${token}`, version }
    }
    return read.header
  }
}

/**
 * Exec plugins and auth providers. The official client does these well, but costs 90 MB: it is loaded only here.
 * A client certificate from a plugin is used until the next start; a token is renewed when it expires.
 */
async function pluginIdentity(user: User, clusterTls: Tls): Promise<Pick<Access, 'tls' | 'authorization'>> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  // The chosen user alone: it would refuse the whole file for a fault in an entry that nobody asked for.
  const chosen = { name: 'chosen', exec: user.exec, authProvider: user['auth-provider'] }
  const contexts = [{ name: 'chosen', cluster: 'chosen', user: 'chosen' }]
  config.loadFromOptions({ clusters: [], users: [chosen], contexts, currentContext: 'chosen' })

  async function ask(): Promise<HttpsOptions> {
    const options: HttpsOptions = {}
    await config.applyToHTTPSOptions(options)
    return options
  }
  const { cert, key } = await ask()
  const tls = cert && key ? { ...clusterTls, cert: cert as string, key: key as string } : clusterTls
  return {
    tls,
    authorization: async () => {
      const headers = (await ask()).headers as Readonly<Record<string, string>> | undefined
      return headers?.['Authorization']
    },
  }
}
