/** A flood of requests with the credential of an agent, by a process of its own. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { startChild } from './child.ts'
import type { ControlPlane } from './control-plane.ts'

export interface FloodOptions {
  readonly url: string
  readonly caFile: string
  readonly token: string
  /** Of the provider. */
  readonly namespace: string
  /** Requests that wait for an answer at once, each on a connection of its own. */
  readonly inFlight: number
  /** How many GpuNodes it tries to make at the most. */
  readonly nodes: number
  /** A GpuRun of that provider, whose status it writes. */
  readonly run?: string | undefined
}

export interface Flood extends AsyncDisposable {
  /** Ends it, and gives how many answers it got, such as `node 403`. */
  readonly end: () => Promise<Readonly<Record<string, number>>>
}

export interface Flooding extends Pick<FloodOptions, 'inFlight' | 'nodes' | 'run'> {
  readonly provider: string
  /** File: of the agent whose credential it is. */
  readonly kubeconfig: string
}

/** As one to whom the machine is not his own: in life he is elsewhere, so all others come first. */
const niceness = 19

export async function startFlood(hub: ControlPlane, flooding: Flooding): Promise<Flood> {
  const { provider, kubeconfig, ...how } = flooding
  const { users } = load(await readFile(kubeconfig, 'utf8')) as { users: [{ user: { token: string } }] }
  const { url, caFile, dir } = hub
  const options = { ...how, url, caFile, token: users[0].user.token, namespace: `provider-${provider}` }
  const child = await startChild({
    name: 'flooder',
    command: process.execPath,
    niceness,
    args: [join(import.meta.dirname, 'flooder.ts'), JSON.stringify(options)],
    log: join(dir, 'flooder.log'),
  })
  return {
    end: async () => {
      await child.stop(30)
      const said = (await child.output()).trim().split('\n').at(-1) ?? ''
      if (!said.startsWith('{')) throw await child.failure('says what it was answered')
      return JSON.parse(said) as Record<string, number>
    },
    [Symbol.asyncDispose]: () => child.kill(),
  }
}
