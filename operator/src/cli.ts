#!/usr/bin/env node
// kubectl gpu …: what the operator of a federation does by hand.
import { readFile } from 'node:fs/promises'
import { Command, CommanderError, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { type InviteOptions, invite } from './adapters/cli/invite.ts'
import { type Answer, type Format, formats, printed } from './adapters/cli/output.ts'
import { providers } from './adapters/cli/providers.ts'
import { WrongUse } from './adapters/cli/wrong-use.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { accessOfKubeconfig } from './adapters/kubernetes/kubeconfig.ts'
import { systemTimers } from './adapters/system-clock.ts'
import { kubeconfigFile, WrongFlags } from './config.ts'

interface Common {
  readonly kubeconfig?: string
  readonly context?: string
  readonly output: Format
}

const userAgent = `kubectl-gpu/${packageJson.version}`

/** Exit codes: 0 done, 1 it failed, 2 it cannot be meant so. */
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
    .action(
      async (provider: string, options: Partial<InviteOptions> & { ttl: string; hubUrl?: string; hubCa?: string }) => {
        const as = await access()
        await using client = await connect({ access: as, userAgent })
        const { tls } = await as.identity()
        const ca = options.hubCa === undefined ? tls.ca : await readFile(options.hubCa, 'utf8')
        if (!ca) throw new WrongUse('the kubeconfig has no CA certificates of the hub; give them with --hub-ca')
        const { region, price, ttl, takeover = false, chart = '' } = options
        const where = { hubUrl: (options.hubUrl ?? as.server).replace(/\/+$/, ''), hubCa: String(ca), chart }
        print(
          await invite({ client, timers: systemTimers, signal: stop.signal }, provider, {
            region,
            price,
            ttl,
            takeover,
            ...where,
          }),
        )
      },
    )

  program
    .command('providers')
    .description('who is in the federation, and how they are')
    .action(async () => {
      await using client = await connect({ access: await access(), userAgent })
      print(await providers(client))
    })

  await program.parseAsync()
}

try {
  await main()
} catch (error) {
  const isUse = error instanceof WrongUse || error instanceof WrongFlags
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.exitCode = isUse ? 2 : 1
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  }
}
