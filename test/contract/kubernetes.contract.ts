// What this code relies upon in an API server. Run on the fake always, and on a real one.
import { afterAll, beforeAll, describe } from '@jest/globals'
import { namespaces } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { Bench, ContractServer } from './kubernetes-bench.ts'
import { deletionRows } from './kubernetes-deletion.ts'
import { objectRows } from './kubernetes-objects.ts'
import { reflectorRows } from './kubernetes-reflector.ts'
import { tokenRows } from './kubernetes-tokens.ts'
import { watchRows } from './kubernetes-watch.ts'

export function kubernetesContract(name: string, setUp: () => Promise<ContractServer>): void {
  describe(name, () => {
    let server: ContractServer
    let made = 0

    beforeAll(async () => {
      server = await setUp()
    }, 180_000)
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]()
    }, 30_000)

    async function bench(): Promise<Bench> {
      made++
      const namespace = `bench-${made}`
      await server.client.create(namespaces, { metadata: { name: namespace } })
      return { server, client: server.client, namespace }
    }
    objectRows(bench)
    deletionRows(bench)
    watchRows(bench)
    reflectorRows(bench)
    tokenRows(bench)
  })
}
