// kubectl gpu snapshot: all that the engine of the leading hub knows, as a file. The way there is the API server, which
// passes it on to the hub's pod; the token is one of a ServiceAccount and good for the hub alone.

import { SNAPSHOT_PATH, TOKEN_HEADER } from '../http/snapshot-path.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { isForbidden, isNotFound } from '../kubernetes/errors.ts'
import { HUB_LEASE, SNAPSHOT_AUDIENCE, SNAPSHOT_READER } from '../kubernetes/hub/rights.ts'
import { leases, pods } from '../kubernetes/resources.ts'
import { requestToken } from '../kubernetes/token-request.ts'
import { readSnapshot } from '../snapshot-file.ts'
import { NotThere } from './wrong-use.ts'

export interface SnapshotWanted {
  /** Of the hub. */
  readonly namespace: string
  /** Where the hub serves HTTP, such as a forwarded port; absent: by way of the API server. */
  readonly address?: string | undefined
}

/** The least that a token lives. */
const seconds = 600

/** The text of the file, checked. */
export async function snapshot(client: KubeClient, wanted: SnapshotWanted): Promise<string> {
  const { namespace, address } = wanted
  const token = await tokenFor(client, namespace)
  const text = address === undefined ? await throughServer(client, namespace, token) : await direct(address, token)
  readSnapshot(text)
  return text
}

async function tokenFor(client: KubeClient, namespace: string): Promise<string> {
  try {
    const account = { namespace, name: SNAPSHOT_READER }
    return (await requestToken(client, account, { seconds, audience: SNAPSHOT_AUDIENCE })).token
  } catch (error) {
    if (isNotFound(error)) {
      throw new NotThere(`there is no ServiceAccount ${SNAPSHOT_READER} in namespace ${namespace}; is the hub there?`)
    }
    if (!isForbidden(error)) throw error
    throw new Error(`it takes the right to create serviceaccounts/token of ${SNAPSHOT_READER} in ${namespace}`, {
      cause: error,
    })
  }
}

async function throughServer(client: KubeClient, namespace: string, token: string): Promise<string> {
  const holder = (await client.get(leases, { namespace, name: HUB_LEASE }))?.spec?.holderIdentity
  if (!holder) throw new NotThere(`no hub leads in namespace ${namespace}; name it with --hub-namespace`)
  const { items } = await client.list(pods, { namespace })
  const pod = items.find(({ metadata: { uid } }) => uid === holder)
  if (!pod) {
    throw new NotThere(
      `the hub that leads (${holder}) is no pod of namespace ${namespace}: name its HTTP with --address`,
    )
  }
  const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}:${port}/proxy${SNAPSHOT_PATH}`
  return JSON.stringify(await client.request({ method: 'GET', path, headers: { [TOKEN_HEADER]: token } }))
}

/** As the chart has it. */
const port = 8080

async function direct(address: string, token: string): Promise<string> {
  const url = `${address.replace(/\/+$/, '')}${SNAPSHOT_PATH}`
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  const text = await response.text()
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${text.trim()}`)
  return text
}
