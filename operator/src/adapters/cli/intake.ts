// kubectl gpu cordon|uncordon <provider>: whether new work goes there.
import type { Provider, ProviderSpec } from '../../api/provider.ts'
import type { KubeClient, MergePatch } from '../kubernetes/client.ts'
import { isNotFound } from '../kubernetes/errors.ts'
import { providers } from '../kubernetes/kinds.ts'
import type { Answer } from './output.ts'
import { NotThere } from './wrong-use.ts'

const says: Readonly<Record<ProviderSpec['intake'], string>> = {
  Cordoned: 'takes no new work; what runs there goes on',
  Open: 'takes new work',
  Revoked: 'is shut out',
}

export async function setIntake(
  client: Pick<KubeClient, 'mergePatch'>,
  name: string,
  intake: ProviderSpec['intake'],
): Promise<Answer> {
  const patch: MergePatch<Provider> = { spec: { intake } }
  try {
    await client.mergePatch(providers, { ref: { name }, patch })
  } catch (error) {
    if (isNotFound(error)) throw new NotThere(`there is no Provider ${name}`)
    throw error
  }
  return { value: { provider: name, intake }, text: `Provider ${name} ${says[intake]}` }
}
