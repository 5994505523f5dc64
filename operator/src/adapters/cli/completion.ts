// What a shell offers for `kubectl gpu …<TAB>`. kubectl (1.26 and newer) asks `kubectl_complete-gpu` with the words so far,
// and takes Cobra's answer: a line for each candidate, perhaps with a tab and a description, then a colon and a directive.
import type { Command, Option } from 'commander'
import type { KubeClient } from '../kubernetes/client.ts'
import { providers } from '../kubernetes/kinds.ts'

/** ShellCompDirectiveNoFileComp and ShellCompDirectiveDefault: whether the shell may offer files. */
const noFiles = ':4'
const files = ':0'

/** Of the words so far: which hub is meant. */
export interface Asked {
  readonly kubeconfig?: string
  readonly context?: string
}

/** `words`: all after `kubectl gpu`, the last one begun or empty. `names`: of the Providers. */
export async function completions(
  program: Command,
  words: readonly string[],
  names: (asked: Asked) => Promise<readonly string[]>,
): Promise<string> {
  const begun = words.at(-1) ?? ''
  const { command, positionals, asked, open } = read(program, words.slice(0, -1))
  const options = command ? [...command.options, ...program.options] : program.options
  const [flag = '', value] = begun.split(/=(.*)/s)
  if (open) return ofValue(open, begun)
  if (value !== undefined && flag.startsWith('--')) return ofValue(optionOf(options, flag), value, `${flag}=`)
  if (begun.startsWith('-'))
    return answer(
      options.map(({ long, description }) => [long ?? '', description]),
      begun,
    )
  if (!command)
    return answer(
      program.commands.map((one) => [one.name(), one.description()]),
      begun,
    )
  const wanted = command.registeredArguments[positionals]?.name()
  return answer(wanted === 'provider' ? (await names(asked)).map((name) => [name]) : [], begun)
}

/** What a hub's API server says; who asks for completions waits with a finger on the key. */
export async function providerNames(client: Pick<KubeClient, 'list'>, signal: AbortSignal): Promise<readonly string[]> {
  const { items } = await client.list(providers, { limit: 500, signal })
  return items.map(({ metadata: { name } }) => name)
}

interface Read {
  readonly command: Command | undefined
  /** How many arguments the command has been given. */
  readonly positionals: number
  readonly asked: Asked
  /** The word before was this flag, and its value comes now. */
  readonly open: Option | undefined
}

function read(program: Command, words: readonly string[]): Read {
  let command: Command | undefined
  let positionals = 0
  let open: Option | undefined
  const asked: { kubeconfig?: string; context?: string } = {}
  const take = (option: Option, value: string) => {
    const name = option.attributeName()
    if (name === 'kubeconfig' || name === 'context') asked[name] = value
  }
  for (const word of words) {
    if (open) {
      take(open, word)
      open = undefined
    } else if (word.startsWith('-')) {
      const [flag = '', value] = word.split(/=(.*)/s)
      const option = optionOf([...(command?.options ?? []), ...program.options], flag)
      if (option && value !== undefined) take(option, value)
      else if (option?.required) open = option
    } else if (command) positionals++
    else command = program.commands.find((one) => one.name() === word)
  }
  return { command, positionals, asked, open }
}

function optionOf(options: readonly Option[], flag: string): Option | undefined {
  return options.find(({ long, short }) => flag === long || flag === short)
}

function ofValue(option: Option | undefined, begun: string, before = ''): string {
  if (/<(file|folder)>/.test(option?.flags ?? '')) return `${files}\n`
  return answer(
    (option?.argChoices ?? []).map((choice) => [`${before}${choice}`]),
    `${before}${begun}`,
  )
}

function answer(candidates: readonly (readonly [word: string, means?: string])[], begun: string): string {
  const fitting = candidates.filter(([word]) => word.startsWith(begun))
  return [...fitting.map((one) => one.join('\t')), noFiles, ''].join('\n')
}
