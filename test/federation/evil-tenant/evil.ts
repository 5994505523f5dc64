/** What a tenant sends who wants more on a provider than to run a container. */

export interface Evil {
  readonly name: string
  /** Where in a GpuJob, and what. */
  readonly at: string
  readonly to: unknown
  /** What the hub answers where it looks at every field, as kubectl has it by default; absent: it is taken. */
  readonly refused?: string
  /** What it answers where it prunes, as `kubectl --validate=false` has it. */
  readonly refusedPruned?: string
  /** What must not come to the provider, wherever it might stand there. */
  readonly never?: RegExp
  /** It is taken, and no run of it is ever ordered: the condition that says so. */
  readonly unplaced?: string
}

const pod = 'spec.template.spec'
const main = `${pod}.containers[0]`
const marker = 'evil-9f3'

/** Goes without a word where the hub prunes. */
export function unknown(at: string, to: unknown, never: RegExp = new RegExp(`"${at.split('.').at(-1)}"`)): Evil {
  return { name: at.replace(`${pod}.`, ''), at, to, refused: `unknown field "${at}"`, never }
}

/** No field is left of the source, and a volume without one is refused. */
export function unknownVolume(source: Readonly<Record<string, unknown>>): Evil {
  const [kind = ''] = Object.keys(source)
  return {
    name: `a volume of ${kind}`,
    at: `${pod}.volumes`,
    to: [{ name: 'v', ...source }],
    refused: `unknown field "${pod}.volumes[0].${kind}"`,
    refusedPruned: 'must have exactly one of emptyDir, configMap, secret, ephemeral, projected',
  }
}

/** The hub says no, however it looks. */
export function wrong(name: string, [at, to]: readonly [string, unknown], refused: string): Evil {
  return { name, at, to, refused, refusedPruned: refused }
}

/** Right in itself, so it has to be harmless there. */
export function legal(name: string, [at, to]: readonly [string, unknown], never?: RegExp): Evil {
  return { name, at, to, ...(never ? { never } : {}) }
}

export const env = (name: string, value = marker): readonly [string, unknown] => [`${main}.env`, [{ name, value }]]
export const fromField = (fieldPath: string): readonly [string, unknown] => [
  `${main}.env`,
  [{ name: 'A', valueFrom: { fieldRef: { fieldPath } } }],
]
export const of = { pod, main, marker }
