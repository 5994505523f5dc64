import { spawn } from 'node:child_process'

/** Runs kubectl and gives its stdout; throws with its stderr when it fails. */
export type Kubectl = (args: readonly string[], options?: { readonly stdin?: string }) => Promise<string>

export interface KubectlOptions {
  readonly binary: string
  readonly kubeconfig: string
  /** kubectl remembers by host and port what an API server serves: an earlier bed must not answer for this one. */
  readonly cacheDir: string
}

export function kubectlAs({ binary, kubeconfig, cacheDir }: KubectlOptions): Kubectl {
  return (args, { stdin = '' } = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(binary, [`--kubeconfig=${kubeconfig}`, `--cache-dir=${cacheDir}`, ...args])
      let out = ''
      let err = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk))
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
      child.once('error', (cause) => reject(new Error(`starting ${binary}`, { cause })))
      child.once('close', (code) => {
        if (code === 0) resolve(out)
        else reject(new Error(`kubectl ${args.join(' ')} ended with ${code}: ${(err || out).trim()}`))
      })
      child.stdin.on('error', () => undefined) // It may end without reading: its exit code tells.
      child.stdin.end(stdin)
    })
}
