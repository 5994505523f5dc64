/** A hub and some providers, each a control plane of its own; without our operator, which `operator.ts` adds. */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Binaries, resolveBinaries, tools } from '../../tools/resolve-binaries.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { mixedNodes, type NodeManifest } from './gpu-nodes.ts'
import { addNodes, startKwok } from './kwok.ts'

export interface FederationOptions {
  readonly providers: number
  /** GPU nodes of each provider: so many of a mix, or exactly these. */
  readonly nodes: number | ((provider: string) => readonly NodeManifest[])
  /** A folder in it for each control plane. */
  readonly dir: string
  /** Keep audit logs, on all control planes. */
  readonly audit?: boolean
  /** Further flags of the hub's kube-apiserver. */
  readonly hubApiServerArgs?: readonly string[]
  readonly binaries?: Binaries
}

export interface BedProvider {
  readonly name: string
  readonly region: string
  readonly controlPlane: ControlPlane
}

export interface Federation extends AsyncDisposable {
  readonly hub: ControlPlane
  readonly providers: readonly BedProvider[]
  readonly dir: string
}

const places = [
  { name: 'acme', region: 'eu-west' },
  { name: 'borealis', region: 'eu-north' },
  { name: 'cumulus', region: 'us-east' },
] as const

/** acme, borealis, cumulus, provider-4, provider-5 and so on. */
export function providerPlace(index: number): { readonly name: string; readonly region: string } {
  return places[index] ?? { name: `provider-${index + 1}`, region: `region-${index + 1}` }
}

/** Starts all of it and waits until the nodes take pods. When one part fails, none is left. */
export async function startFederation(
  options: FederationOptions,
  report: (line: string) => void,
  signal?: AbortSignal,
): Promise<Federation> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true })
  const binaries = options.binaries ?? (await resolveBinaries(tools, { report }))
  report(`starting a hub and ${options.providers} providers: about ${5 + 3 * options.providers} s`)

  await using parts = new AsyncDisposableStack()
  const cancel = new AbortController()
  const until = signal ? AbortSignal.any([signal, cancel.signal]) : cancel.signal
  const site: Site = { options, dir, binaries, report, parts, until }
  const hub = startHub(site)
  const providers = Array.from({ length: options.providers }, (_, index) => startProvider(site, providerPlace(index)))
  await allOrNone([hub, ...providers], cancel)

  const held = parts.move()
  return {
    hub: await hub,
    providers: await Promise.all(providers),
    dir,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

interface Site {
  readonly options: FederationOptions
  readonly dir: string
  readonly binaries: Binaries
  readonly report: (line: string) => void
  readonly parts: AsyncDisposableStack
  readonly until: AbortSignal
}

async function startHub({ options, dir, binaries, report, parts, until }: Site): Promise<ControlPlane> {
  const { audit = false, hubApiServerArgs: apiServerArgs = [] } = options
  const controllers = { controllerManager: true, scheduler: false }
  const hub = await startControlPlane(
    { name: 'hub', dir: join(dir, 'hub'), ...controllers, audit, apiServerArgs, binaries, report },
    until,
  )
  report('hub is ready')
  return parts.use(hub)
}

async function startProvider(site: Site, { name, region }: ReturnType<typeof providerPlace>): Promise<BedProvider> {
  const { options, dir, binaries, report, parts, until } = site
  const { nodes, audit = false } = options
  const controllers = { controllerManager: true, scheduler: true }
  const controlPlane = parts.use(
    await startControlPlane({ name, dir: join(dir, name), ...controllers, audit, binaries, report }, until),
  )
  parts.use(await startKwok(controlPlane, { report }, until))
  const manifests = typeof nodes === 'number' ? mixedNodes(nodes, { prefix: name, region }) : nodes(name)
  await addNodes(controlPlane, manifests, until)
  report(`${name} is ready with ${manifests.length} nodes`)
  return { name, region, controlPlane }
}

/** Waits until all have ended: one that still starts while its bed is cleared would be left running. */
export async function allOrNone(starting: readonly Promise<unknown>[], cancel: AbortController): Promise<void> {
  for (const one of starting) one.catch((reason: unknown) => cancel.abort(reason))
  await Promise.allSettled(starting)
  await Promise.all(starting)
}
