import type { Provider } from '../../operator/src/api/provider.ts'
import { claimText } from './ordered-job.ts'
import { group, type Stage } from './stage.ts'

/** The hub looks every half a minute whether a stranger is gone. */
const lookSeconds = 60

/** Waits for a condition of a Provider, such as `Ready=False/Cordoned`. */
export function providerSays({ providers }: Stage, name: string, claim: string): Promise<Provider> {
  return providers.until({
    what: `provider ${name} to say ${claim}`,
    seconds: lookSeconds,
    find: (all) => {
      const found = all.get(name)
      return found?.status?.conditions.some((one) => claimText(one) === claim) ? found : undefined
    },
    state: () => JSON.stringify(providers.all.get(name)?.status?.conditions),
  })
}

export async function setIntake({ ask }: Stage, name: string, intake: 'Open' | 'Cordoned'): Promise<void> {
  const { status, body } = await ask(`${group}/providers/${name}`, {
    method: 'PATCH',
    contentType: 'application/merge-patch+json',
    body: { spec: { intake } },
  })
  if (status !== 200) throw new Error(`setting the intake of ${name}: ${JSON.stringify(body)}`)
}
