/** Where the programs of the test bed are; they are fetched or built where they are missing. `node tools/resolve-binaries.ts` prints them. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from './resolve-build.ts'
import { download, isReachable, officialSites, type Sites } from './resolve-download.ts'
import { type Install, install, removeUnfinished } from './resolve-install.ts'
import { whileLocked } from './resolve-lock.ts'
import { type BedTool, chartTools, nodeTools, type Pin, pinOf, saysVersion, type Tool, tools } from './resolve-pins.ts'

export { type BedTool, type Tool, tools } from './resolve-pins.ts'

/** A file for each program. */
export type Binaries<T extends Tool = BedTool> = Readonly<Record<T, string>>

export interface ResolveOptions {
  /** Default: `GPU_COMMONS_CACHE`, else `~/.cache/gpu-commons`. */
  readonly cacheFolder?: string
  /** Hears what is being done, a line at a time. */
  readonly report: (line: string) => void
}

/** What the search depends on; tests give small ones. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pin: (tool: Tool) => Pin
  readonly sites: Sites
  readonly build: typeof build
}

const machine: Surroundings = { env: process.env, pin: pinOf, sites: officialSites, build }

/** Finds each program at exactly its pinned version: on this machine, in the cache, at its official site, or by building it. */
export async function resolveBinaries<T extends Tool>(
  names: readonly T[],
  options: ResolveOptions,
  surroundings: Surroundings = machine,
): Promise<Binaries<T>> {
  const cache = resolve(options.cacheFolder ?? defaultCacheFolder(surroundings.env))
  const online = askedOnce(() => isReachable(surroundings.sites))
  const found = new Map<Tool, string>()
  for (const folder of new Set(names.map((name) => surroundings.pin(name).folder))) {
    const pins = names.map(surroundings.pin).filter((pin) => pin.folder === folder)
    for (const pin of pins) {
      const path = (await onThisMachine(pin, surroundings.env)) ?? inCache(pin, cache)
      if (path !== undefined) found.set(pin.tool, path)
    }
    const missing = pins.filter((pin) => !found.has(pin.tool))
    if (missing.length > 0) await provide(missing, { cache, report: options.report, surroundings, online })
    for (const pin of missing) found.set(pin.tool, cachedPath(pin, cache))
  }
  return Object.fromEntries(names.map((name) => [name, found.get(name)])) as Record<T, string>
}

function defaultCacheFolder(env: Surroundings['env']): string {
  return env['GPU_COMMONS_CACHE'] ?? join(homedir(), '.cache', 'gpu-commons')
}

/** A folder for each version, so that PATH can name it and the file keeps its own name. */
export function cachedPath(pin: Pin, cache: string): string {
  return join(cache, `${pin.tool}-${pin.version}`, pin.tool)
}

/** Being there is proof enough: a folder gets its name only after its file was checked and written out. */
function inCache(pin: Pin, cache: string): string | undefined {
  const path = cachedPath(pin, cache)
  return existsSync(path) ? path : undefined
}

async function onThisMachine(pin: Pin, env: Surroundings['env']): Promise<string | undefined> {
  const folders = [env['KUBEBUILDER_ASSETS'] ?? '', ...(env['PATH'] ?? '').split(delimiter)]
  for (const folder of folders.filter((name) => name !== '')) {
    const path = join(folder, pin.tool)
    if (existsSync(path) && (await isVersion(path, pin))) return path
  }
  return undefined
}

async function isVersion(path: string, pin: Pin): Promise<boolean> {
  return saysVersion(await printedVersion(path, pin), pin.version)
}

/** What the program prints about itself; nothing when it does not run here. */
async function printedVersion(path: string, pin: Pin): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, pin.versionArgs, { timeout: 20_000 })
    return stdout + stderr
  } catch {
    return '' // Not runnable, or of another architecture: the same to us as not being there.
  }
}

interface Provision {
  readonly cache: string
  readonly report: (line: string) => void
  readonly surroundings: Surroundings
  readonly online: () => Promise<boolean>
}

/** Fills the cache with programs of one Go module. Whoever comes second waits, and then finds them. */
async function provide(pins: readonly Pin[], { cache, report, surroundings, online }: Provision): Promise<void> {
  const folder = basename(pins[0]?.folder ?? '')
  const missing = () => pins.filter((pin) => inCache(pin, cache) === undefined)
  const names = pins.map((pin) => pin.tool).join(', ')
  const into: Install = (pin, write) =>
    install(write, { cache, folder, path: cachedPath(pin, cache), check: (path) => isVersion(path, pin) })
  const waiting = () => report(`waiting for another process that makes ${names}`)
  await whileLocked(join(cache, `${folder}.lock`), waiting, async () => {
    if (missing().length === 0) return
    await removeUnfinished(cache, folder)
    if (await online()) await download(missing(), { sites: surroundings.sites, install: into, report })
    if (missing().length > 0)
      await surroundings.build(missing(), { cache, install: into, report, env: surroundings.env })
  })
}

/** One answer for the whole search: asking takes seconds where there is no network. */
function askedOnce(ask: () => Promise<boolean>): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined
  return () => (answer ??= ask())
}

if (import.meta.main) {
  const all = [...tools, ...chartTools, ...nodeTools]
  const paths = await resolveBinaries(all, { report: (line) => console.error(line) })
  for (const tool of all) console.log(`${tool} ${paths[tool]}`)
}
