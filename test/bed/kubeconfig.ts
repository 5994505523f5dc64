import { readFile, writeFile } from 'node:fs/promises'
import { dump, load } from 'js-yaml'

export interface Access {
  /** Name of the cluster, of the context and in prompts. */
  readonly cluster: string
  readonly url: string
  /** PEM. */
  readonly ca: string
  readonly user: string
  readonly token: string
  readonly namespace?: string
}

interface Clusters {
  readonly clusters: readonly { cluster: { server: string; 'certificate-authority-data': string } }[]
}

/** Writes the same kubeconfig for another address of the same cluster. */
export async function kubeconfigAt(
  { url, caFile }: { readonly url: string; readonly caFile: string },
  { from, to }: { readonly from: string; readonly to: string },
): Promise<string> {
  const config = load(await readFile(from, 'utf8')) as Clusters
  const ca = await readFile(caFile, 'base64')
  for (const { cluster } of config.clusters) Object.assign(cluster, { server: url, 'certificate-authority-data': ca })
  await writeFile(to, dump(config), { mode: 0o600 })
  return to
}

/** Writes a kubeconfig that needs no other file, readable by its owner only. */
export async function writeKubeconfig(
  file: string,
  { cluster, url, ca, user, token, namespace }: Access,
): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: cluster, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: cluster, context: { cluster, user, ...(namespace === undefined ? {} : { namespace }) } }],
    'current-context': cluster,
  }
  await writeFile(file, dump(config), { mode: 0o600 })
}
