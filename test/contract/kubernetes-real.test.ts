import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { systemClock, systemTimers } from '../../operator/src/adapters/system-clock.ts'
import { startControlPlane } from '../bed/control-plane.ts'
import { kubernetesContract } from './kubernetes.contract.ts'
import { type ContractServer, widgetCrd, widgets } from './kubernetes-bench.ts'

kubernetesContract('a real API server', async () => {
  await using parts = new AsyncDisposableStack()
  const dir = await mkdtemp(join(tmpdir(), 'kubernetes-contract-'))
  parts.defer(() => rm(dir, { recursive: true, force: true }))
  const plane = parts.use(await startControlPlane({ name: 'contract', dir, controllerManager: true, scheduler: false }))
  const to = { kubeconfig: plane.kubeconfig, userAgent: 'contract/1' }
  const client = parts.use(await connect(to))

  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await client.request({ method: 'POST', path: crds, body: widgetCrd })
  await untilServed(() => client.list(widgets))

  const held = parts.move()
  return {
    client,
    clientWith: (options) => connect({ ...to, ...options }),
    clock: systemClock(),
    timers: systemTimers,
    pass: async (ms) => {
      await wait(ms)
    },
    forget: () => plane.restartApiServer(), // The memory of what changed is its own.
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  } satisfies ContractServer
})

/** A new kind is served soon after it was made. */
async function untilServed(ask: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await ask()
      return
    } catch (error) {
      if (tries === 100) throw error
      await wait(100)
    }
  }
}
