// `kubectl gpu …<TAB>`, as kubectl itself asks for it.
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { childEnvironment } from '../../operator/src/config.ts'
import { buildCli } from '../../tools/build.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { applyCrds } from '../bed/operator.ts'
import { group } from './stage.ts'

const run = promisify(execFile)
const dir = join(import.meta.dirname, '..', '..', '.results', 'completion')
let hub: ControlPlane

beforeAll(async () => {
  hub = await startControlPlane({ name: 'hub', dir: join(dir, 'hub'), controllerManager: false, scheduler: false })
  await applyCrds(hub)
  for (const name of ['acme', 'acmexyz', 'borealis']) {
    const body = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'Provider', metadata: { name }, spec: {} }
    await hub.ask(`${group}/providers`, { method: 'POST', body })
  }
  await buildCli(join(dir, 'bin'))
}, 120_000)
afterAll(async () => hub?.[Symbol.asyncDispose](), 30_000)

/** What a shell's completion of kubectl would offer for these words. */
async function offered(words: readonly string[], kubeconfig = hub.kubeconfig): Promise<readonly string[]> {
  const path = [join(dir, 'bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(':')
  const env = childEnvironment({ PATH: path, KUBECONFIG: kubeconfig }) as Record<string, string>
  const { stdout } = await run(hub.binaries.kubectl, ['__complete', ...words], { env })
  return stdout.trimEnd().split('\n')
}

test.each([
  { words: ['gpu', 'inv'], offers: [/^invite\tmake an invite/, /^:4$/] },
  { words: ['gpu', 'qu'], offers: [/^queues\twho shares what/, /^:4$/] },
  { words: ['gpu', 'revoke', 'acme'], offers: [/^acme$/, /^acmexyz$/, /^:4$/] },
  { words: ['gpu', 'cordon', ''], offers: [/^acme$/, /^acmexyz$/, /^borealis$/, /^:4$/] },
  { words: ['gpu', 'providers', '-o', 'y'], offers: [/^yaml$/, /^:4$/] },
])(
  'kubectl offers for $words: $offers',
  async ({ words, offers }) => {
    const lines = await offered(words)
    expect([lines.length, lines.every((line, index) => offers[index]?.test(line))]).toEqual([offers.length, true])
  },
  30_000,
)

test('where no hub can be asked there are no names, and no error', async () => {
  expect(await offered(['gpu', 'revoke', ''], join(dir, 'there-is-none'))).toEqual([':4'])
}, 30_000)
