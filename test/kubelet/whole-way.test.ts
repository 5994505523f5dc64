// From nothing to a job's real container and back to nothing: the image, both charts, an invite, a real kubelet with a device plugin.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Invited } from '../../operator/src/adapters/cli/invite.ts'
import { kinds } from '../../operator/src/api/generate-crds.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { buildCli } from '../../tools/build.ts'
import { waitUntil } from '../bed/child.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { type Shell, shellOf } from '../bed/shell.ts'
import { startDevicePlugin } from './device-plugin.ts'
import { BUSYBOX_IMAGE, buildImages, filesOfOurImage, idsOfTwoBuilds } from './images.ts'
import { NODE_ADDRESS, startNode } from './node.ts'
import { whyNotHere } from './why-no-node.ts'

const dir = join(import.meta.dirname, '..', '..', '.results', 'whole-way')
const report = (line: string) => void process.stderr.write(`whole-way: ${line}\n`)
const group = '/apis/gpucommons.io/v1alpha1'
const gpus = ['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d']

const reason = whyNotHere()
if (reason !== undefined) report(`LEFT OUT: ${reason}`)
const onNode = reason === undefined ? describe : describe.skip

onNode('one cluster that is both hub and provider', () => {
  const parts = new AsyncDisposableStack()
  let plane: ControlPlane
  let shell: Shell
  beforeAll(async () => {
    await rm(dir, { recursive: true, force: true })
    const images = await buildImages({ dir: join(dir, 'images') })
    report('images are built')
    const options = { name: 'cluster', dir: join(dir, 'cluster'), controllerManager: true, scheduler: true }
    plane = parts.use(await startControlPlane({ ...options, address: NODE_ADDRESS, report }))
    parts.use(await startNode(plane, { name: 'node-1', dir: join(dir, 'node'), images, report }))
    report('the node is Ready')
    parts.use(await startDevicePlugin(gpus))
    await buildCli(join(dir, 'bin'))
    shell = await shellOf(plane, report, join(dir, 'bin'))
  }, 300_000)
  afterAll(() => parts.disposeAsync(), 60_000)

  const connected = async () => {
    const { body } = await plane.ask(`${group}/providers/acme`)
    const { conditions = [] } = (body as Provider).status ?? {}
    return conditions.find(({ type }) => type === 'Connected')?.status === 'True' || undefined
  }
  const jobState = async (name: string) => {
    const { body } = await plane.ask(`${group}/namespaces/team/gpujobs/${name}`)
    return (body as GpuJob).status
  }

  test('the image is the same when it is built again, and has no shell and nobody else in it', async () => {
    const folder = { dir: join(dir, 'images') }
    const [first, second] = await idsOfTwoBuilds(folder)
    expect([first.length, second]).toEqual([64, first])
    const files = await filesOfOurImage(folder)
    expect(files.filter((file) => /\/(sh|bash|ash|dash|busybox|npm|npx|apt|dpkg)$/.test(file))).toEqual([])
    expect(files).toContain('/app/hub.mjs')
    expect(files).toContain('/app/agent.mjs')
  }, 120_000)

  test('two charts and an invite bring a job to a real container', async () => {
    await shell.sh(
      'helm install gpu-commons charts/gpu-commons-hub -n gpu-commons --create-namespace --wait --timeout 90s',
    )
    report('the hub is ready')
    const { helm } = JSON.parse(await shell.sh('kubectl gpu -o json invite acme')) as Invited['value']
    const began = performance.now()
    await shell.sh(helm)
    await waitUntil(connected, { what: 'Provider acme to be Connected', seconds: 60 })
    const connectedSeconds = (performance.now() - began) / 1000
    await waitUntil(
      async () => ((await shell.sh('kubectl get gpunodes -A -o name')).includes('node-1') ? true : undefined),
      { what: 'GpuNode node-1', seconds: 30 },
    )

    await shell.sh('kubectl create namespace team')
    const script = 'echo "gpus=$NVIDIA_VISIBLE_DEVICES"; env | grep GPU_COMMONS'
    await plane.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(jobOf('first', script)) })
    const ended = await waitUntil(
      async () => {
        const status = await jobState('first')
        return ['Succeeded', 'Failed'].includes(status?.state ?? '') ? status : undefined
      },
      { what: 'the job to end', seconds: 60 },
    )
    const endedSeconds = (performance.now() - began) / 1000
    expect(ended.state).toBe('Succeeded')
    const where = await shell.sh(
      `kubectl get pods -A -l gpucommons.io/job=first -o jsonpath='{.items[0].metadata.namespace}'`,
    )
    const said = await shell.sh(`kubectl logs -n ${where} -l gpucommons.io/job=first`)
    expect(said).toMatch(/^gpus=GPU-[abcd],GPU-[abcd]$/m)
    expect(said).toMatch(/^GPU_COMMONS_PROVIDER=acme$/m)
    expect(said).toMatch(/^GPU_COMMONS_JOB=team\/first$/m)
    console.log(JSON.stringify({ suite: 'whole-way', connectedSeconds, endedSeconds }))
  }, 240_000)

  test('the agent finds that this network enforces no NetworkPolicy, says so, and leaves no Job of its probe', async () => {
    const isolation = `kubectl get providerreport self -n provider-acme -o jsonpath='{.spec.networkIsolation}'`
    const found = async () => {
      const said = await shell.sh(isolation)
      return said === 'Unknown' ? undefined : said
    }
    const began = performance.now()
    expect(await waitUntil(found, { what: 'the probe of the network to end', seconds: 90 })).toBe('NotEnforced')
    console.log(JSON.stringify({ suite: 'whole-way', probeWaitSeconds: (performance.now() - began) / 1000 }))
    expect(await shell.sh(`kubectl get jobs -A -o name | grep probe || true`)).toBe('')
  }, 120_000)

  test('the walls around a tenant name the nameserver that pods here have', async () => {
    const [, namespace = ''] = /(gpc-[0-9a-f]{6}-team)/.exec(await shell.sh('kubectl get namespaces -o name')) ?? []
    const policy = await shell.sh(`kubectl get networkpolicy gpu-commons-tenant -n ${namespace} -o json`)
    const { egress } = (
      JSON.parse(policy) as { spec: { egress: { to: { ipBlock?: { cidr: string; except?: string[] } }[] }[] } }
    ).spec
    const servers = (await readFile('/etc/resolv.conf', 'utf8'))
      .matchAll(/^nameserver (\S+)/gm)
      .map(([, address]) => `${address}/32`)
    expect(egress[1]?.to.flatMap(({ ipBlock }) => ipBlock?.cidr ?? [])).toEqual([...servers])
    expect(egress[2]?.to[0]?.ipBlock?.except).toEqual(expect.arrayContaining(['10.96.0.1/32', `${NODE_ADDRESS}/32`]))
  })

  test('the charts say of themselves that they work, with both of their pods', async () => {
    for (const release of ['gpu-commons', 'gpu-commons-agent']) {
      await shell.sh(`kubectl -n gpu-commons rollout status deployment/${release} --timeout=60s`)
      expect(await shell.sh(`helm test ${release} -n gpu-commons --timeout 60s`)).toContain('Phase:          Succeeded')
    }
  }, 180_000)

  test('an agent that is uninstalled ends what runs, tells its hub, and leaves nothing', async () => {
    await plane.kubectl(['apply', '-f', '-'], {
      stdin: JSON.stringify(jobOf('second', 'trap "exit 0" TERM; sleep 600 & wait')),
    })
    await waitUntil(async () => ((await jobState('second'))?.state === 'Running' ? true : undefined), {
      what: 'the second job to run',
      seconds: 60,
    })
    await shell.sh('helm uninstall gpu-commons-agent -n gpu-commons --wait')
    const { state, runs = [] } = (await jobState('second')) ?? {}
    expect([state, runs.at(-1)?.reason]).toEqual(['Waiting', 'ProviderLeaves'])
    expect(await leftBy('agent')).toEqual([])
  }, 240_000)

  test('and a hub that is uninstalled leaves its kinds', async () => {
    await shell.sh('helm uninstall gpu-commons -n gpu-commons --wait')
    let left: readonly string[] = []
    await waitUntil(
      async () => {
        left = await leftBy('')
        return left.length === 0 || undefined
      },
      { what: 'what is left to be gone', seconds: 60 },
    ).catch(() => undefined)
    expect(left).toEqual([])
    expect((await shell.sh('kubectl get crd -o name')).match(/gpucommons/g)).toHaveLength(kinds.length)
  }, 120_000)

  /** Whatever has a name of ours in the cluster, or lies in the namespace of the charts. */
  async function leftBy(program: 'agent' | ''): Promise<string[]> {
    const inside =
      'deployments,services,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,pods,jobs,leases,configmaps'
    const outside =
      'namespaces,priorityclasses,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,flowschemas,prioritylevelconfigurations'
    const names = async (args: string) => (await shell.sh(`kubectl get ${args} -o name`)).split('\n').filter(Boolean)
    const isOfHub = (name: string) =>
      program === 'agent' &&
      /\/(gpu-commons|hub|gpc-hub.*|gpc-provider-.*|gpc-snapshot-reader|gpc-tenant-view|gpc-tenant-edit|gpc-join-requests|gpc-agent-tokens|gpc-agent-audiences|gpc-verdicts|gpc-agents|gpc-heartbeats|gpc-agent-objects|gpc-agent-leases|gpc-run-status|gpc-hub-audiences|gpu-commons-[0-9a-f]+-.*|gpu-commons-hub|sh.helm.release.v1.gpu-commons.v1)$/.test(
        name,
      )
    const all = [
      ...(await names(`${inside} -n gpu-commons`)),
      ...(await names(outside)).filter((name) => /gpc-|gpu-commons/.test(name)),
    ]
    return all.filter(
      (name) =>
        !isOfHub(name) &&
        !['namespace/gpu-commons', 'serviceaccount/default', 'configmap/kube-root-ca.crt'].includes(name),
    )
  }
})

function jobOf(name: string, script: string): object {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: { name, namespace: 'team' },
    spec: {
      gpus: { count: 2 },
      template: { spec: { containers: [{ name: 'main', image: BUSYBOX_IMAGE, command: ['sh', '-c', script] }] } },
    },
  }
}
