import { namespaces, serviceAccounts } from '../../operator/src/adapters/kubernetes/resources.ts'
import { fakeKubeApi } from '../fakes/kube-api.ts'
import { fakeTime } from '../fakes/time.ts'
import { kubernetesContract } from './kubernetes.contract.ts'

kubernetesContract('the fake API server', async () => {
  const { clock, timers, advance } = fakeTime()
  const fake = fakeKubeApi({ clock, timers })
  // The one thing of a controller manager that the rows need: each namespace has its default ServiceAccount.
  const client: typeof fake = {
    ...fake,
    create: async (resource, draft, options) => {
      const made = await fake.create(resource, draft, options)
      if (resource.kind === namespaces.kind) {
        await fake.create(serviceAccounts, { metadata: { namespace: draft.metadata.name, name: 'default' } })
      }
      return made
    },
  }
  return {
    client,
    clientWith: (options) => Promise.resolve(fake.client(options)),
    clock,
    timers,
    pass: advance,
    forget: async () => {
      fake.compact()
      fake.cutWatches()
      await Promise.resolve()
    },
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  }
})
