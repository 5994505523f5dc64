// Images that run as root, that may not, that are not there, on both Pod Security levels, with a real kubelet: each runs,
// ends, or waits with its reason. The owner changes the level between the two, and the node loses a GPU.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuNode } from '../../operator/src/api/gpunode.ts'
import type { PodSpec } from '../../operator/src/api/template.ts'
import { waitUntil } from '../bed/child.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import type { Federation } from '../bed/federation.ts'
import { agentOptions, hubOptions, type OwnersRules, prepareHub } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { type DevicePlugin, startDevicePlugin } from './device-plugin.ts'
import { BUSYBOX_IMAGE, buildSimpleImages } from './images.ts'
import { NODE_ADDRESS, startNode } from './node.ts'
import { whyNotHere } from './why-no-node.ts'

const dir = join(import.meta.dirname, '..', '..', '.results', 'levels')
const report = (line: string) => void process.stderr.write(`levels: ${line}\n`)
const group = '/apis/gpucommons.io/v1alpha1'

const reason = whyNotHere()
if (reason !== undefined) report(`LEFT OUT: ${reason}`)
const onNode = reason === undefined ? describe : describe.skip

const rootless = { runAsNonRoot: true }
const user = { ...rootless, runAsUser: 1000 }
const main = { name: 'main', image: BUSYBOX_IMAGE, command: ['true'] }

function pod(securityContext: PodSpec['securityContext'], container: object = {}): PodSpec {
  return { ...(securityContext && { securityContext }), containers: [{ ...main, ...container }] }
}

/** Each on a level of its own choice is as on the other, but for the first. */
const everywhere: Readonly<Record<string, { pod: PodSpec; says: string }>> = {
  'a user other than root': { pod: pod(user), says: 'Succeeded' },
  'an image of root that says it is not': { pod: pod(rootless), says: 'Failed CreateContainerConfigError' },
  'an image that there is none of': {
    pod: pod(user, { image: 'localhost/nowhere:1' }),
    says: 'Placed ImagePullBackOff',
  },
  'an image that is not on the node and may not be pulled': {
    pod: pod(user, { image: 'localhost/nowhere:1', imagePullPolicy: 'Never' }),
    says: 'Failed ErrImageNeverPull',
  },
  'an image whose name cannot be read': {
    pod: pod(user, { image: 'localhost/UPPER:1' }),
    says: 'Failed InvalidImageName',
  },
  'a command that is not there': { pod: pod(user, { command: ['/nowhere'] }), says: 'Waiting StartError' },
}

const levels: Readonly<Record<string, { rules: OwnersRules; root: string }>> = {
  Baseline: { rules: {}, root: 'Succeeded' },
  Restricted: { rules: { podSecurity: 'Restricted' }, root: 'Waiting NeedsRoot' },
}

onNode('images on a real kubelet', () => {
  const parts = new AsyncDisposableStack()
  let plane: ControlPlane
  let federation: Federation
  let plugin: DevicePlugin
  let agent: Program | undefined
  beforeAll(async () => {
    await rm(dir, { recursive: true, force: true })
    const images = await buildSimpleImages({ dir: join(dir, 'images') })
    const options = { name: 'cluster', dir: join(dir, 'cluster'), controllerManager: true, scheduler: true }
    plane = parts.use(await startControlPlane({ ...options, address: NODE_ADDRESS, report }))
    parts.use(await startNode(plane, { name: 'node-1', dir: join(dir, 'node'), images, report }))
    plugin = parts.use(await startDevicePlugin(Array.from({ length: 16 }, (_, i) => `GPU-${i}`)))
    const acme = { name: 'acme', region: 'eu-west', controlPlane: plane }
    federation = { hub: plane, providers: [acme], dir, [Symbol.asyncDispose]: async () => undefined }
    await prepareHub(federation)
    parts.use(await startProgram({ dir, report, ...(await hubOptions(federation, {})) }))
    await plane.kubectl(['create', 'namespace', 'team'])
  }, 240_000)
  afterAll(async () => {
    await agent?.stop()
    await parts.disposeAsync()
  }, 60_000)

  describe.each(Object.entries(levels))('at level %s', (level, { rules, root }) => {
    beforeAll(async () => {
      await agent?.stop()
      const [provider] = federation.providers
      if (!provider) throw new Error('there is no provider')
      agent = await startProgram({
        dir,
        report,
        ...(await agentOptions(federation, { provider, rules: { acme: rules } })),
      })
      await waitUntil(
        async () => {
          const { body } = await plane.ask(`${group}/namespaces/provider-acme/providerreports/self`)
          return JSON.stringify(body).includes(level) || undefined
        },
        { what: `the report to say ${level}`, seconds: 20 },
      )
    }, 60_000)

    const jobs = Object.entries({ 'an image of root': { pod: pod(undefined), says: root }, ...everywhere })
    const nameOf = (what: string) => `${level.toLowerCase()}-${jobs.findIndex(([one]) => one === what)}`
    beforeAll(async () => {
      const list = jobs.map(([what, { pod: spec }]) => jobOf(nameOf(what), spec))
      await plane.kubectl(['apply', '-f', '-'], {
        stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: list }),
      })
    }, 30_000)

    test.each(jobs)(
      '%s',
      async (what, { says }) => {
        let last = ''
        const isSo = async () => {
          const { body } = await plane.ask(`${group}/namespaces/team/gpujobs/${nameOf(what)}`)
          last = told(body as GpuJob)
          return last === says || undefined
        }
        await waitUntil(isSo, { what: `job ${nameOf(what)}`, seconds: 90 }).catch(() => undefined)
        expect(last).toBe(says)
      },
      120_000,
    )

    test('its pods are in a namespace of that level', async () => {
      const { body } = await plane.ask('/api/v1/namespaces?labelSelector=gpucommons.io%2Fjob-namespace%3Dteam')
      const [namespace] = (body as { items: { metadata: { labels: Record<string, string> } }[] }).items
      expect(namespace?.metadata.labels['pod-security.kubernetes.io/enforce']).toBe(level.toLowerCase())
    })
  })

  test('a GPU that breaks is counted out', async () => {
    plugin.setHealthy('GPU-0', false)
    let healthy: number | undefined
    const isSo = async () => {
      const { body } = await plane.ask(`${group}/namespaces/provider-acme/gpunodes/node-1`)
      healthy = (body as GpuNode).spec.devices[0]?.healthy
      return healthy === 15 || undefined
    }
    await waitUntil(isSo, { what: 'one GPU less', seconds: 60 }).catch(() => undefined)
    expect(healthy).toBe(15)
  }, 90_000)
})

/** `Succeeded`, `Failed ErrImageNeverPull` (how the last run ended), `Placed ImagePullBackOff` (what keeps it from starting), `Waiting NeedsRoot`. */
function told({ status }: GpuJob): string {
  const { state = 'new', runs = [], conditions = [] } = status ?? {}
  const message = (type: string) => conditions.find((one) => one.type === type)?.message ?? ''
  if (state === 'Succeeded') return state
  if (state === 'Placed') return `Placed ${/ImagePullBackOff/.exec(message('Running'))?.[0] ?? ''}`
  const last = runs.at(-1)?.reason
  return `${state} ${last ?? /NeedsRoot/.exec(message('Placed'))?.[0] ?? ''}`
}

function jobOf(name: string, spec: PodSpec): object {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: { name, namespace: 'team' },
    spec: { gpus: { count: 1 }, retry: { limit: 0 }, template: { spec } },
  }
}
