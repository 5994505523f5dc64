// Programs that a kubeconfig names to ask who we are: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
// Our own, because the official client renews no credential before it has expired, nor one that was refused.
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { z } from 'zod'
import { childEnvironment } from '../../config.ts'

const apiVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const

export const execSchema = z.strictObject({
  apiVersion: z.enum(apiVersions),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.strictObject({ name: z.string().min(1), value: z.string() })).nullish(),
  installHint: z.string().optional(),
  provideClusterInfo: z.boolean().optional(),
  // Nobody sits at our terminal.
  interactiveMode: z.enum(['Never', 'IfAvailable']).optional(),
})

export type ExecPlugin = z.infer<typeof execSchema>

const answerSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('ExecCredential'),
  status: z.looseObject({
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
    token: z.string().min(1).optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
  }),
})

export interface Credential {
  readonly token?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface AskPlugin {
  /** That of the kubeconfig: a command with a slash is looked for from there, as by kubectl. */
  readonly directory: string
  /** As `provideClusterInfo` wants it. */
  readonly cluster: object
  /** Wall clock, which the time of expiry is written in. */
  readonly now?: () => number
}

/** A program that has not answered after this time hangs. */
const longestAnswerMs = 60_000
const longestAnswerBytes = 2 ** 20

/** Renewed so long before the end, or when four fifths of the time are over, whichever is later. */
const earlyMs = 60_000

/** The credential that is good now: of all who ask at once, one runs the program. */
export function execCredential(plugin: ExecPlugin, how: AskPlugin): () => Promise<Credential> {
  const { now = () => Date.now() } = how
  let held: { readonly credential: Credential; readonly renewAt: number; readonly endsAt: number } | undefined
  let asking: Promise<Credential> | undefined

  async function ask(): Promise<Credential> {
    try {
      const { status } = await run(plugin, how)
      const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status
      const credential = { token, cert, key }
      const endsAt = expirationTimestamp ? Date.parse(expirationTimestamp) : Number.POSITIVE_INFINITY
      held = { credential, endsAt, renewAt: Math.max(endsAt - earlyMs, now() + (endsAt - now()) * 0.8) }
      return credential
    } catch (error) {
      if (held && now() < held.endsAt) return held.credential // Still good: the next request tries again.
      throw error
    } finally {
      asking = undefined
    }
  }

  return async () => {
    if (held && now() < held.renewAt) return held.credential
    asking ??= ask()
    if (!held || now() >= held.endsAt) return asking
    asking.catch(() => undefined) // Who needs it then asks again, and hears why.
    return held.credential // A program that hangs holds up nobody while this one is good.
  }
}

async function run(plugin: ExecPlugin, { directory, cluster }: AskPlugin): Promise<z.infer<typeof answerSchema>> {
  const { command, args, apiVersion } = plugin
  const spec = { interactive: false, ...(plugin.provideClusterInfo ? { cluster } : {}) }
  const env = childEnvironment({
    ...Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion, kind: 'ExecCredential', spec }),
  })
  const file = command.includes('/') ? resolve(directory, command) : command
  const output = await new Promise<string>((done, fail) => {
    const options = { env, timeout: longestAnswerMs, killSignal: 'SIGKILL', maxBuffer: longestAnswerBytes } as const
    const child = execFile(file, args ?? [], options, (error, stdout, stderr) => {
      if (!error) return done(stdout)
      const why = child.killed ? 'it was killed, having said too much or nothing in time' : error.message
      const hint = plugin.installHint && 'code' in error && error.code === 'ENOENT' ? `; ${plugin.installHint}` : ''
      fail(new Error(`exec ${command}: ${stderr.trim().slice(0, 500) || why}${hint}`, { cause: error }))
    })
    child.stdin?.on('error', () => undefined) // It may end without reading.
    child.stdin?.end()
  })
  return credentialOf(output, plugin)
}

function credentialOf(output: string, { command, apiVersion }: ExecPlugin): z.infer<typeof answerSchema> {
  let parsed: unknown
  try {
    parsed = JSON.parse(output)
  } catch (error) {
    throw new Error(`exec ${command}: it did not print JSON`, { cause: error }) // Not what it printed: that may be secret.
  }
  const answer = answerSchema.safeParse(parsed)
  if (!answer.success) {
    const [issue] = answer.error.issues
    throw new Error(`exec ${command}: its answer.${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { status } = answer.data
  if (answer.data.apiVersion !== apiVersion)
    throw new Error(`exec ${command}: it answered in ${answer.data.apiVersion}, not in ${apiVersion}`)
  if (!status.clientCertificateData !== !status.clientKeyData)
    throw new Error(`exec ${command}: a client certificate and its key must come together`)
  if (!status.token && !status.clientCertificateData)
    throw new Error(`exec ${command}: it gave neither a token nor a client certificate`)
  return answer.data
}
