// kubectl gpu invite <provider>: one line for the owner of a cluster, with which it joins.
import { gpuModel, price } from '../../api/fields.ts'
import { type ProviderSpec, providerName, providerNameWords } from '../../api/provider.ts'
import { type Invite, type Inviting, makeInvite } from '../kubernetes/cli/invites.ts'
import type { Answer } from './output.ts'
import { secondsOf } from './time.ts'
import { WrongUse } from './wrong-use.ts'

export interface InviteOptions {
  readonly region?: string | undefined
  /** `H100=2.10` */
  readonly price?: readonly string[] | undefined
  /** From `10m` to `7d`, such as `1h`. */
  readonly ttl: string
  readonly takeover: boolean
  /** As the agent is to reach the hub. */
  readonly hubUrl: string
  /** PEM. */
  readonly hubCa: string
  readonly chart: string
}

/** What `-o json` prints. */
export interface Invited extends Answer {
  readonly value: {
    readonly provider: string
    readonly id: string
    readonly token: string
    readonly expiresAt: string
    readonly hubUrl: string
    readonly hubCa: string
    readonly isNewProvider: boolean
    /** What the owner runs. */
    readonly helm: string
  }
}

export async function invite(inviting: Inviting, provider: string, options: InviteOptions): Promise<Invited> {
  if (!providerName().safeParse(provider).success) {
    throw new WrongUse(`${provider} cannot be the name of a Provider, which is ${providerNameWords}`)
  }
  const { takeover, hubUrl, hubCa } = options
  const wanted = {
    provider,
    spec: specOf(options),
    seconds: secondsOf('--ttl', options.ttl, { least: shortest }),
    takeover,
    ca: hubCa,
  }
  const made = await makeInvite(inviting, wanted)
  const helm = helmLine(made, options)
  const { id, expiresAt, isNewProvider } = made
  const whose = isNewProvider ? `the new Provider ${provider}` : `Provider ${provider}`
  return {
    value: { ...made, hubUrl, hubCa, helm },
    text: `Invite ${id} to ${whose}, good once and until ${expiresAt}. Its owner runs, against their own cluster:\n\n${helm}`,
  }
}

/** The API server gives no token for less than ten minutes. */
const shortest = 600

function specOf({ region, price: asked = [] }: InviteOptions): Partial<ProviderSpec> {
  if (region !== undefined && (region.length === 0 || region.length > 63)) {
    throw new WrongUse('--region has 1 to 63 characters')
  }
  const prices = asked.map((text) => {
    const [model = '', perGpuHour = '', ...more] = text.split('=')
    const isGood = more.length === 0 && gpuModel().safeParse(model).success && price().safeParse(perGpuHour).success
    if (!isGood) throw new WrongUse(`--price ${text} is not MODEL=PRICE, such as H100=2.10`)
    return { model, perGpuHour }
  })
  if (new Set(prices.map(({ model }) => model)).size < prices.length) throw new WrongUse('--price names a model twice')
  return { ...(region === undefined ? {} : { region }), ...(prices.length === 0 ? {} : { prices }) }
}

function helmLine({ provider, id, token }: Invite, { hubUrl, hubCa, chart }: InviteOptions): string {
  return [
    `helm install gpu-commons-agent ${chart} --namespace gpu-commons --create-namespace`,
    `--set provider=${provider}`,
    `--set hub.url=${hubUrl}`,
    `--set hub.ca=${Buffer.from(hubCa).toString('base64')}`,
    `--set-string invite.id=${id}`,
    `--set invite.token=${token}`,
  ].join(' \\\n  ')
}
