/** Programs from their official sites, each with a checksum from there; what has none to be had is built instead. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { Install } from './resolve-install.ts'
import type { Pin } from './resolve-pins.ts'
import { whileReporting } from './resolve-report.ts'

/** Addresses without a slash at the end. */
export interface Sites {
  readonly kubernetes: string
  readonly etcd: string
}

export const officialSites: Sites = {
  kubernetes: 'https://dl.k8s.io/release',
  etcd: 'https://github.com/etcd-io/etcd/releases/download',
}

export interface DownloadOptions {
  readonly sites: Sites
  readonly install: Install
  readonly report: (line: string) => void
}

interface Offer {
  readonly file: string
  /** A bare SHA-256, or lines of `sha256  file name`. */
  readonly checksums: string
  readonly packed: boolean
}

/** A machine without internet access must notice soon: it has minutes of building before it. */
const PROBE_MS = 3000

/** Whether the internet can be reached, or at least the site that most programs come from. */
export async function isReachable(sites: Sites): Promise<boolean> {
  try {
    const answer = await fetch(sites.kubernetes, {
      method: 'HEAD',
      signal: AbortSignal.timeout(PROBE_MS),
      redirect: 'manual',
    })
    return answer.status < 500
  } catch {
    return false // Whatever the reason: there is another way.
  }
}

/** Downloads what is offered. What fails is reported and left to the build. */
export async function download(pins: readonly Pin[], { sites, install, report }: DownloadOptions): Promise<void> {
  for (const pin of pins) {
    const offer = offerOf(pin, sites)
    if (!offer) continue
    report(`downloading ${pin.tool} ${pin.version} from ${new URL(offer.file).host}: up to 100 MB`)
    try {
      await whileReporting(`still downloading ${pin.tool}`, report, () =>
        install(pin, (path) => fetchChecked(offer, path)),
      )
    } catch (error) {
      report(`download of ${pin.tool} failed (${reasons(error)}), so it will be built`)
    }
  }
}

function offerOf(pin: Pin, sites: Sites): Offer | undefined {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  switch (pin.tool) {
    case 'kwok':
    case 'helm':
    case 'kubeconform':
      return undefined // Its releases carry no checksums.
    case 'etcd': {
      const release = `${sites.etcd}/${pin.version}`
      return {
        file: `${release}/etcd-${pin.version}-linux-${arch}.tar.gz`,
        checksums: `${release}/SHA256SUMS`,
        packed: true,
      }
    }
    default: {
      const file = `${sites.kubernetes}/${pin.version}/bin/linux/${arch}/${pin.tool}`
      return { file, checksums: `${file}.sha256`, packed: false }
    }
  }
}

async function fetchChecked(offer: Offer, path: string): Promise<void> {
  const name = basename(new URL(offer.file).pathname)
  const expected = checksumOf(await (await get(offer.checksums)).text(), name)
  const fetched = offer.packed ? `${path}.tar.gz` : path
  const { body } = await get(offer.file)
  if (!body) throw new Error(`${offer.file} is empty`)
  await pipeline(Readable.fromWeb(body), createWriteStream(fetched))
  if ((await sha256(fetched)) !== expected) throw new Error(`${name} has not the SHA-256 that its site names`)
  if (!offer.packed) return
  const inside = `${name.replace('.tar.gz', '')}/${basename(path)}`
  await promisify(execFile)('tar', ['-xzf', fetched, '-C', dirname(path), '--strip-components=1', inside])
  await rm(fetched)
}

/** The checksum of a file in what its site publishes. */
export function checksumOf(published: string, file: string): string {
  const lines = published
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+\*?/))
  const found =
    lines.find(([, name]) => name === file) ?? (lines.length === 1 && lines[0]?.length === 1 ? lines[0] : undefined)
  if (!found?.[0] || !/^[0-9a-f]{64}$/.test(found[0])) throw new Error(`no SHA-256 of ${file} is published`)
  return found[0]
}

async function get(url: string): Promise<Response> {
  // Ten minutes are a slow line; a stalled one must not hold up the build for ever.
  const answer = await fetch(url, { signal: AbortSignal.timeout(600_000) })
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  return answer
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
