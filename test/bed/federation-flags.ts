import { parseArgs } from 'node:util'

export interface FederationFlags {
  readonly providers: number
  /** Per provider. */
  readonly nodes: number
  readonly dir: string
  /** Whether our hub and agents run on it. */
  readonly operator: boolean
}

export const usage = `npm run federation -- [--providers N] [--nodes N] [--dir FOLDER] [--operator]

  --providers N   provider clusters beside the hub, 0 to 20 (default 3)
  --nodes N       simulated GPU nodes of each provider, 0 to 500 (default 8)
  --dir FOLDER    kubeconfigs, logs and data (default .federation)
  --operator      also start our hub and an agent for each provider`

/** What the command line says, or throws a sentence for its user. */
export function federationFlags(args: readonly string[]): FederationFlags {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      providers: { type: 'string', default: '3' },
      nodes: { type: 'string', default: '8' },
      dir: { type: 'string', default: '.federation' },
      operator: { type: 'boolean', default: false },
    },
  })
  if (values.dir === '') throw new Error('--dir needs the name of a folder')
  return {
    providers: wholeNumber('--providers', values.providers, 20),
    nodes: wholeNumber('--nodes', values.nodes, 500),
    dir: values.dir,
    operator: values.operator,
  }
}

function wholeNumber(flag: string, text: string, maximum: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= maximum) return value
  throw new Error(`${flag} is ${JSON.stringify(text)}, but must be a whole number from 0 to ${maximum}`)
}
