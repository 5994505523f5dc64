/** Simulated kubelets for all nodes that carry the label of `gpu-nodes.ts`; what their pods do is in `stages/`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dump } from 'js-yaml'
import { type Child, startChild, waitUntil } from './child.ts'
import type { ControlPlane } from './control-plane.ts'
import { kwokLabel, type NodeManifest } from './gpu-nodes.ts'

export interface KwokOptions {
  /** How long a node counts as alive without a word; it renews after a quarter of that. Default 200. */
  readonly leaseSeconds?: number
  readonly report?: (line: string) => void
}

export interface Kwok extends AsyncDisposable {
  /** All its nodes fall silent at once, as in a power cut. */
  readonly stop: () => Promise<void>
}

/** Starts kwok for a control plane. It takes over nodes within a second or so of their creation. */
export async function startKwok(
  controlPlane: ControlPlane,
  options: KwokOptions = {},
  signal?: AbortSignal,
): Promise<Kwok> {
  const { leaseSeconds = 200, report = (line: string) => console.error(line) } = options
  const { name, dir } = controlPlane
  const config = join(dir, 'kwok.yaml')
  await writeFile(config, dump(configuration(leaseSeconds)))
  await forgetEarlierKwok(controlPlane)
  const child = await startChild({
    name: `${name} kwok`,
    command: controlPlane.binaries.kwok,
    args: [config, ...stages]
      .flatMap((file) => ['--config', file])
      .concat('--kubeconfig', controlPlane.kubeconfigOf('kwok')),
    log: join(dir, 'kwok.log'),
    onUnexpectedEnd: (how) => report(`${name}: kwok ended by itself with ${how}, see kwok.log in ${dir}`),
  })
  try {
    await watching(child, signal)
  } catch (error) {
    await child.kill()
    throw error
  }
  return { stop: () => child.kill(), [Symbol.asyncDispose]: () => child.kill() }
}

const stages = ['node.yaml', 'pod.yaml'].map((file) => join(import.meta.dirname, 'stages', file))

function configuration(leaseSeconds: number): object {
  return {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokConfiguration',
    options: {
      manageNodesWithLabelSelector: `${kwokLabel.key}=${kwokLabel.value}`,
      // Room for the pods of a thousand jobs; with the /24 of the default, addresses outside of it are given out.
      cidr: '10.64.0.1/12',
      nodeIP: '10.0.0.1',
      nodeLeaseDurationSeconds: leaseSeconds,
      // By default 4 writes at a time, which is about 20 pods a second.
      podPlayStageParallelism: 32,
      nodePlayStageParallelism: 8,
      nodeLeaseParallelism: 8,
      podsOnNodeSyncParallelism: 4,
      enableDebuggingHandlers: false,
    },
  }
}

/** Each kwok has a new identity, and one that was killed still holds the leases of its nodes. */
async function forgetEarlierKwok({ ask }: ControlPlane): Promise<void> {
  const { status } = await ask('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', { method: 'DELETE' })
  if (status !== 200) throw new Error(`deleting the leases of nodes: the API server answers ${status}`)
}

async function watching(child: Child, signal: AbortSignal | undefined): Promise<void> {
  const isWatching = async () => (await child.output()).includes('Watch nodes') || undefined
  await waitUntil(isWatching, { what: 'kwok watches nodes', seconds: 30, signal, child })
}

/** Makes nodes and waits until pods can be put on all of them. */
export async function addNodes(
  { ask }: ControlPlane,
  nodes: readonly NodeManifest[],
  signal?: AbortSignal,
): Promise<void> {
  await Promise.all(
    nodes.map(async (node) => {
      const { status, body } = await ask('/api/v1/nodes', { method: 'POST', body: node })
      if (status !== 201) throw new Error(`making node ${node.metadata.name}: ${JSON.stringify(body)}`)
    }),
  )
  const missing = new Set(nodes.map((node) => node.metadata.name))
  const areReady = async () => {
    const { body } = await ask('/api/v1/nodes')
    for (const node of (body as NodeList).items) if (takesPods(node)) missing.delete(node.metadata.name)
    return missing.size === 0 || undefined
  }
  await waitUntil(areReady, { what: `${nodes.length} nodes are ready`, seconds: 60, signal })
}

interface NodeList {
  readonly items: readonly {
    readonly metadata: { readonly name: string }
    readonly spec: { readonly taints?: readonly { readonly key: string }[] }
    readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
  }[]
}

/** A new node is tainted until the controller manager has seen it ready. */
function takesPods({ spec, status }: NodeList['items'][number]): boolean {
  const ready = status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
  return ready && !spec.taints?.some(({ key }) => key === 'node.kubernetes.io/not-ready')
}
