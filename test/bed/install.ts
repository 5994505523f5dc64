/** Puts one of our programs on a control plane, as an installation does: a ServiceAccount with its own rights and no others. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  agentAccount,
  agentInstallation,
  hubAccount,
  hubInstallation,
} from '../../operator/src/adapters/kubernetes/installation.ts'
import type { Account } from '../../operator/src/adapters/kubernetes/manifest.ts'
import type { ControlPlane } from './control-plane.ts'
import { writeKubeconfig } from './kubeconfig.ts'

/** Gives the kubeconfig file of our hub on this control plane. */
export function installHub(plane: ControlPlane): Promise<string> {
  return install(plane, hubAccount, hubInstallation())
}

/** Gives the kubeconfig file of our agents on their own cluster. */
export function installAgent(plane: ControlPlane): Promise<string> {
  return install(plane, agentAccount, agentInstallation())
}

async function install(plane: ControlPlane, account: Account, manifests: readonly object[]): Promise<string> {
  const list = { apiVersion: 'v1', kind: 'List', items: manifests }
  await plane.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(list) })
  const token = await tokenOf(plane, account)
  if (token === undefined) throw new Error(`ServiceAccount ${account.name} was made on ${plane.name} and is gone`)
  const file = join(plane.dir, `gpu-commons-${account.name}.kubeconfig`)
  const ca = await readFile(plane.caFile, 'utf8')
  await writeKubeconfig(file, { cluster: plane.name, url: plane.url, ca, user: account.name, token })
  return file
}

/** For a day; `undefined` where there is no such ServiceAccount. */
export async function tokenOf({ ask }: ControlPlane, { namespace, name }: Account): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 86_400 } }
  const { status, body } = await ask(path, { method: 'POST', body: request })
  if (status === 201) return (body as { status: { token: string } }).status.token
  if (status === 404) return undefined
  throw new Error(`asking for a token of ${namespace}/${name}: ${JSON.stringify(body)}`)
}
