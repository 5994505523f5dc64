/** Programs from their Go modules: what always works where Go and its modules can be had. */
import { spawn } from 'node:child_process'
import { rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Install, unfinishedFolder } from './resolve-install.ts'
import type { Pin } from './resolve-pins.ts'
import { whileReporting } from './resolve-report.ts'

export interface BuildOptions {
  readonly cache: string
  readonly install: Install
  readonly report: (line: string) => void
  /** GOPROXY, GOCACHE, GOFLAGS and the PATH on which Go is found are the user's own. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Builds programs of one Go module with one `go build`, which compiles what they share once. */
export async function build(pins: readonly Pin[], { cache, install, report, env }: BuildOptions): Promise<void> {
  const [first] = pins
  if (!first) return
  const names = pins.map((pin) => pin.tool).join(', ')
  report(`building ${names} ${first.version} with Go: about ${first.buildTakes} the first time`)
  const out = await unfinishedFolder(cache, basename(first.folder))
  try {
    const packages = pins.map((pin) => pin.package)
    const args = ['build', '-trimpath', '-ldflags', first.ldflags, '-o', `${out}/`, ...packages]
    await whileReporting(`still building ${names}`, report, () =>
      go(args, { cwd: first.folder, env: { ...env, CGO_ENABLED: '0' } }),
    )
    for (const pin of pins) await install(pin, (path) => rename(join(out, builtName(pin)), path))
    report(`built ${names}`)
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

/** `go build` names a program after the last part of its package, a major version apart. */
function builtName(pin: Pin): string {
  const parts = pin.package.split('/')
  return (/^v\d+$/.test(parts.at(-1) ?? '') ? parts.at(-2) : parts.at(-1)) ?? pin.tool
}

interface Run {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

/** Runs Go; its own words are in the error when it fails. */
function go(args: readonly string[], { cwd, env }: Run): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('go', args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-4000)
    })
    child.once('error', (cause) =>
      reject((cause as NodeJS.ErrnoException).code === 'ENOENT' ? new Error(goMissing) : cause),
    )
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`go ${args[0]} in ${basename(cwd)} ended with ${code}:\n${said.trim()}`))
    })
  })
}

const goMissing =
  'Go is not installed, and the Kubernetes programs of the test bed are neither here nor to be downloaded. ' +
  'Install Go 1.24 or newer (https://go.dev/dl) so that `go version` works, or set KUBEBUILDER_ASSETS to a folder that has them'
