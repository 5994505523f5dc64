// What the dispatch bench runs on: a hub and three providers on real API servers, with nobody else at work.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { resolveBinaries, tools } from '../../tools/resolve-binaries.ts'
import { startControlPlane } from '../bed/control-plane.ts'
import type { Federation } from '../bed/federation.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { applyCrds } from '../bed/operator.ts'

export interface DispatchBed extends AsyncDisposable {
  readonly federation: Federation
  /** The bench's own, as admin. */
  readonly hub: KubeClient
  readonly providers: readonly { readonly name: string; readonly client: KubeClient }[]
}

const names = ['acme', 'borealis', 'cumulus'] as const

/** Namespace of the tenant, on the hub; the bare generator uses it on the providers too. */
export const tenant = 'bench'

export interface BedOptions {
  readonly audit?: boolean
  /** Further flags of the hub's kube-apiserver. */
  readonly hubApiServerArgs?: readonly string[]
}

/** @param nodes of 8 GPUs, of each provider. */
export async function dispatchBed(
  nodes: number,
  report: (line: string) => void,
  { audit = false, hubApiServerArgs = [] }: BedOptions = {},
): Promise<DispatchBed> {
  await using parts = new AsyncDisposableStack()
  const dir = await mkdtemp(join(tmpdir(), 'gpu-commons-bench-'))
  parts.defer(() => rm(dir, { recursive: true, force: true }))
  const binaries = await resolveBinaries(tools, { report })
  // No controllers and no kubelets: what they would write is not what is measured.
  const plane = async (name: string, apiServerArgs: readonly string[] = []) =>
    parts.use(
      await startControlPlane({
        name,
        dir: join(dir, name),
        controllerManager: false,
        scheduler: false,
        audit,
        apiServerArgs,
        binaries,
        report,
      }),
    )
  const client = async (kubeconfig: string) => parts.use(await connect({ kubeconfig, userAgent: 'gpu-commons-bench' }))

  const hubPlane = await plane('hub', hubApiServerArgs)
  const planes = await Promise.all(names.map(async (name) => ({ name, controlPlane: await plane(name) })))
  const federation: Federation = {
    hub: hubPlane,
    dir,
    providers: planes.map(({ name, controlPlane }) => ({ name, region: name, controlPlane })),
    [Symbol.asyncDispose]: async () => {},
  }
  await applyCrds(hubPlane)
  await hubPlane.ask('/api/v1/namespaces', { method: 'POST', body: namespace(tenant) })
  for (const { name, controlPlane } of planes) {
    await controlPlane.ask('/api/v1/namespaces', { method: 'POST', body: namespace(tenant) })
    await hubPlane.ask('/api/v1/namespaces', { method: 'POST', body: namespace(`bare-${name}`) })
    for (let i = 0; i < nodes; i += 1) await addReadyNode(controlPlane, `${name}-${i}`)
  }
  const hub = await client(hubPlane.kubeconfig)
  const providers = await Promise.all(
    planes.map(async ({ name, controlPlane }) => ({ name, client: await client(controlPlane.kubeconfig) })),
  )
  const held = parts.move()
  return { federation, hub, providers, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

function namespace(name: string): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

async function addReadyNode({ ask }: Federation['hub'], name: string): Promise<void> {
  const node = gpuNode({ name, card: 'H100', gpus: 8 })
  const created = await ask('/api/v1/nodes', { method: 'POST', body: node })
  const status = {
    ...node.status,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Bench',
        message: 'as if',
        lastHeartbeatTime: now(),
        lastTransitionTime: now(),
      },
    ],
  }
  const contentType = 'application/merge-patch+json'
  const patched = await ask(`/api/v1/nodes/${name}/status`, { method: 'PATCH', body: { status }, contentType })
  // The API server taints each new node, and the controller that takes the taint off does not run here.
  const freed = await ask(`/api/v1/nodes/${name}`, { method: 'PATCH', body: { spec: { taints: null } }, contentType })
  for (const answer of [created, patched, freed]) {
    if (answer.status >= 300) throw new Error(`making node ${name}: ${JSON.stringify(answer.body)}`)
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}
