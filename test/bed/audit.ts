/** What an API server's audit log says: who asked for what, and what the answer was. */
import { readFile } from 'node:fs/promises'
import type { ControlPlane } from './control-plane.ts'

export interface Asked {
  readonly user: string
  /** Of a token of a ServiceAccount: one for each token. */
  readonly credential: string | undefined
  /** As RBAC calls it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` … */
  readonly verb: string
  /** API group; empty for the core. */
  readonly group: string
  /** `jobs`, `gpujobs/status`; empty for what is no resource, such as `/version`. */
  readonly resource: string
  readonly namespace: string | undefined
  /** Of a create: as the object is called. Of a watch: where a field selector says so. */
  readonly name: string | undefined
  readonly status: number
  readonly uri: string
}

/** All answers so far, in the order in which they were given. A watch is answered when it begins. */
export async function auditOf({ auditLog }: ControlPlane): Promise<readonly Asked[]> {
  const text = await readFile(auditLog, 'utf8')
  // The last line may be only half written.
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n')
  return lines.map((line) => JSON.parse(line) as AuditEvent).flatMap((event) => asked(event) ?? [])
}

interface AuditEvent {
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic'
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string; readonly extra?: Readonly<Record<string, readonly string[]>> }
  readonly objectRef?: {
    readonly apiGroup?: string
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
}

function asked({ stage, verb, requestURI, user, objectRef, responseStatus }: AuditEvent): Asked | undefined {
  const isAnswered = stage === 'ResponseComplete' && !(verb === 'watch' && (responseStatus?.code ?? 0) < 400)
  if (!isAnswered && stage !== 'ResponseStarted') return undefined
  const { apiGroup = '', resource = '', subresource, namespace, name } = objectRef ?? {}
  return {
    user: user.username,
    credential: user.extra?.['authentication.kubernetes.io/credential-id']?.[0],
    verb,
    group: apiGroup,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    status: responseStatus?.code ?? 0,
    uri: requestURI,
  }
}

const reads: ReadonlySet<string> = new Set(['get', 'list', 'watch'])

/** Reviews (may I? who am I?) are created, but nothing of them is kept. */
export function isWrite({ verb, resource }: Asked): boolean {
  return !reads.has(verb) && !resource.endsWith('reviews')
}

export function accountUser({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `system:serviceaccount:${namespace}:${name}`
}
