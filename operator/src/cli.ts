#!/usr/bin/env node
// kubectl gpu …: what the operator of a federation does by hand.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Command, CommanderError, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { type Asked, completions, providerNames } from './adapters/cli/completion.ts'
import { explain } from './adapters/cli/explain.ts'
import { setIntake } from './adapters/cli/intake.ts'
import { type InviteOptions, invite } from './adapters/cli/invite.ts'
import { type Answer, type Format, formats, printed } from './adapters/cli/output.ts'
import { providers } from './adapters/cli/providers.ts'
import { queues } from './adapters/cli/queues.ts'
import { replayFile } from './adapters/cli/replay.ts'
import { leave, revoke } from './adapters/cli/revoke.ts'
import { snapshot } from './adapters/cli/snapshot.ts'
import { secondsOf } from './adapters/cli/time.ts'
import { top } from './adapters/cli/top.ts'
import { NotThere, WrongUse } from './adapters/cli/wrong-use.ts'
import { writeInvite } from './adapters/invite-folder.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { type Access, accessOfKubeconfig } from './adapters/kubernetes/kubeconfig.ts'
import { systemTimers } from './adapters/system-clock.ts'
import { kubeconfigFile, WrongFlags } from './config.ts'

interface Common {
  readonly kubeconfig?: string
  readonly context?: string
  readonly output: Format
}

type InviteFlags = Omit<InviteOptions, 'hubUrl' | 'hubCa'> & {
  readonly hubUrl?: string
  /** A file. */
  readonly hubCa?: string
  readonly folder?: string
}

const userAgent = `kubectl-gpu/${packageJson.version}`

/** Exit codes: 0 done, 1 it failed, 2 it cannot be meant so, 3 there is no such thing. */
async function main(): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('interrupted')))
  const program = new Command('kubectl gpu')
    .description('The operator of a federation of GPU clusters')
    .version(packageJson.version)
    .option('--kubeconfig <file>', 'of the hub; default: as kubectl does')
    .option('--context <name>', 'in it; default: its current one')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(formats).default('table'))
    .exitOverride()

  const common = () => program.opts<Common>()
  const print = (answer: Answer) => void process.stdout.write(printed(answer, common().output))
  const access = () => accessOfKubeconfig(kubeconfigFile(common().kubeconfig), common().context)

  program
    .command('invite')
    .description('make an invite: the line with which the owner of a cluster joins it to the federation')
    .argument('<provider>', 'the Provider; it is made where it is missing')
    .option('--region <words>', 'where it is; of a new Provider')
    .option('--price <MODEL=PRICE...>', 'per GPU and hour; of a new Provider')
    .option('--ttl <time>', 'how long the invite is good, 10m to 7d', '1h')
    .option('--takeover', 'an agent that lives loses its place to the one that joins', false)
    .option('--hub-url <url>', 'how the owner reaches the hub; default: as you do')
    .option('--hub-ca <file>', 'its CA certificates; default: those of your kubeconfig')
    .option('--chart <chart>', 'where the owner has the chart from', './charts/gpu-commons-agent')
    .option('--folder <folder>', 'also write it there, for an agent that is started with --invite <folder>')
    .action(async (provider: string, flags: InviteFlags) => {
      const as = await access()
      await using client = await connect({ access: as, userAgent })
      const { tls } = await as.identity()
      const options = await inviteOptions(flags, { server: as.server, ca: tls.ca })
      const answer = await invite({ client, timers: systemTimers, signal: stop.signal }, provider, options)
      if (flags.folder !== undefined) await writeInvite(flags.folder, answer.value)
      print(answer)
    })

  for (const [name, intake, what] of [
    ['cordon', 'Cordoned', 'no new work goes there; what runs goes on'],
    ['uncordon', 'Open', 'new work goes there again'],
  ] as const) {
    program
      .command(name)
      .description(what)
      .argument('<provider>')
      .action(async (provider: string) => {
        await using client = await connect({ access: await access(), userAgent })
        print(await setIntake(client, provider, intake))
      })
  }

  addLooks(program, { access, print, signal: stop.signal })
  addQuestions(program, { access, print, signal: stop.signal })
  addReplay(program, { access, print, signal: stop.signal })
  addGoodbyes(program, { access, print, signal: stop.signal })
  const [, , first, ...words] = process.argv
  if (first === COMPLETE) process.stdout.write(await completions(program, words, namesForCompletion))
  else await program.parseAsync()
}

/** What `kubectl_complete-gpu` calls. */
const COMPLETE = '__complete'
const completionMs = 2000

/** A shell that completes a word has no use for an error: without a hub there are no names. */
async function namesForCompletion({ kubeconfig, context }: Asked): Promise<readonly string[]> {
  try {
    const signal = AbortSignal.timeout(completionMs)
    const access = await accessOfKubeconfig(kubeconfigFile(kubeconfig), context)
    await using client = await connect({ access, userAgent, giveUp: signal })
    return await providerNames(client, signal)
  } catch {
    return []
  }
}

interface Commands {
  readonly access: () => Promise<Access>
  readonly print: (answer: Answer) => void
  readonly signal: AbortSignal
}

/** What only reads. */
function addLooks(program: Command, { access, print, signal }: Commands): void {
  for (const [name, look, what] of [
    ['providers', providers, 'who is in the federation, and how they are'],
    ['queues', queues, 'who shares what: quota, use, what is borrowed and lent, and who waits'],
    ['top', top, 'how many GPUs there are of each model, and who has them'],
  ] as const) {
    program
      .command(name)
      .description(what)
      .action(async () => {
        await using client = await connect({ access: await access(), userAgent })
        print(await look(client, signal))
      })
  }
}

/** What tenants ask. */
function addQuestions(program: Command, { access, print, signal }: Commands): void {
  program
    .command('explain')
    .description('why a job waits: for each provider what keeps it out, and the least change that would let it in')
    .argument('<job>')
    .option('-n, --namespace <namespace>', 'of the job; default: that of your context, else "default"')
    .option('--timeout <time>', 'how long the hub may take to answer, 1s to 7d', '30s')
    .action(async (name: string, flags: { readonly namespace?: string; readonly timeout: string }) => {
      const as = await access()
      await using client = await connect({ access: as, userAgent })
      const asking = { client, timers: systemTimers, signal, question: `${new Date().toISOString()} ${randomUUID()}` }
      const seconds = secondsOf('--timeout', flags.timeout, { least: 1 })
      print(await explain(asking, { name, namespace: flags.namespace ?? as.namespace ?? 'default' }, { seconds }))
    })
}

/** What the engine knows, and what it makes of it. */
function addReplay(program: Command, { access, print, signal }: Commands): void {
  program
    .command('snapshot')
    .description('all that the engine of the hub knows, as a file on the standard output: kubectl gpu snapshot > f')
    .option('--hub-namespace <namespace>', 'where the hub is', 'gpu-commons')
    .option('--address <url>', 'where it serves HTTP, such as a forwarded port; default: by way of the API server')
    .action(async (flags: { readonly hubNamespace: string; readonly address?: string }) => {
      await using client = await connect({ access: await access(), userAgent, giveUp: signal })
      process.stdout.write(await snapshot(client, { namespace: flags.hubNamespace, address: flags.address }))
    })

  program
    .command('replay')
    .description('the decisions that the engine takes on a snapshot, a line each; it asks no cluster')
    .argument('<file>')
    .option('--policy <file>', 'GpuQueues in YAML, in place of all those in the snapshot')
    .action(async (file: string, { policy }: { readonly policy?: string }) => print(await replayFile(file, policy)))
}

/** The ways out of a federation. */
function addGoodbyes(program: Command, { access, print, signal }: Commands): void {
  program
    .command('revoke')
    .description('shut the agent of a provider out, at once; uncordon and another invite let it in again')
    .argument('<provider>')
    .action(async (provider: string) => {
      await using client = await connect({ access: await access(), userAgent })
      print(await revoke({ client }, provider))
    })

  program
    .command('leave')
    .description('take a provider out of the federation: no new work, and when what runs has ended it is removed')
    .argument('<provider>')
    .option('--timeout <time>', 'how long that may take, 10s to 7d', '1h')
    .action(async (provider: string, { timeout }: { readonly timeout: string }) => {
      await using client = await connect({ access: await access(), userAgent })
      const seconds = secondsOf('--timeout', timeout, { least: 10 })
      print(await leave({ client, timers: systemTimers, signal }, provider, { seconds }))
    })
}

/** The hub as the one who invites reaches it, where the flags do not say otherwise. */
async function inviteOptions(
  flags: InviteFlags,
  { server, ca: ownCa }: { readonly server: string; readonly ca: string | Buffer | undefined },
): Promise<InviteOptions> {
  const ca = flags.hubCa === undefined ? ownCa : await readFile(flags.hubCa, 'utf8')
  if (!ca) throw new WrongUse('the kubeconfig has no CA certificates of the hub; give them with --hub-ca')
  return { ...flags, hubUrl: (flags.hubUrl ?? server).replace(/\/+$/, ''), hubCa: `${String(ca).trim()}\n` }
}

try {
  await main()
} catch (error) {
  const isUse = error instanceof WrongUse || error instanceof WrongFlags
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.exitCode = isUse ? 2 : error instanceof NotThere ? 3 : 1
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  }
}
