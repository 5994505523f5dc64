import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { resolveBinaries } from '../../tools/resolve-binaries.ts'
import type { ControlPlane } from './control-plane.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')

export interface Shell {
  /** Runs a line as a person would, from the root of the repository; `helm` and `kubectl` are found and ask this cluster. */
  readonly sh: (line: string) => Promise<string>
}

/** Of a person who administers a cluster; programs in the folder are found first. */
export async function shellOf(plane: ControlPlane, report: (line: string) => void, folder = ''): Promise<Shell> {
  const { helm } = await resolveBinaries(['helm'], { report })
  const path = [folder, dirname(helm), dirname(plane.binaries.kubectl), process.env['PATH']].join(':')
  const own = { KUBECONFIG: plane.kubeconfig, HELM_CACHE_HOME: join(plane.dir, 'helm'), PATH: path }
  return {
    sh: async (line) => {
      const { stdout } = await run('sh', ['-c', line], {
        cwd: root,
        env: { ...process.env, ...own },
        maxBuffer: 50_000_000,
      })
      return stdout
    },
  }
}
