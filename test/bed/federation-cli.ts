/** `npm run federation`: keeps a hub and some providers up until Ctrl-C. */
import { dirname, join, relative, resolve } from 'node:path'
import { tryLock } from '../../tools/resolve-lock.ts'
import { type Federation, startFederation } from './federation.ts'
import { type FederationFlags, federationFlags, usage } from './federation-flags.ts'
import { startOperator } from './operator.ts'

async function run(flags: FederationFlags, signal: AbortSignal): Promise<void> {
  const dir = resolve(flags.dir)
  const lock = tryLock(join(dir, 'lock'))
  if (!lock) throw new Error(`another federation runs in ${flags.dir}: end it with Ctrl-C, or choose another --dir`)
  await using parts = new AsyncDisposableStack()
  parts.use(lock)
  const federation = parts.use(await startFederation({ ...flags, dir }, console.log, signal))
  if (flags.operator) parts.use(await startOperator(federation, { report: console.log }, signal))
  console.log(howToUse(federation))
  await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))
  console.log('stopping')
}

function howToUse({ hub, providers, dir }: Federation): string {
  const clusters = [hub, ...providers.map(({ controlPlane }) => controlPlane)]
  const width = Math.max(...clusters.map(({ name }) => name.length))
  return [
    '',
    ...clusters.map(({ name, kubeconfig, url }) => `  ${name.padEnd(width)}  ${url}  ${relative('.', kubeconfig)}`),
    '',
    'In another shell:',
    `  export PATH=${dirname(hub.binaries.kubectl)}:$PATH`,
    `  export KUBECONFIG=${hub.kubeconfig}`,
    '  kubectl get namespaces',
    '',
    `Logs are in ${relative('.', dir) || '.'}. Ctrl-C ends it all.`,
  ].join('\n')
}

/** The first Ctrl-C or SIGTERM; what comes after it is left to Node, which ends at once, and the kernel ends the rest. */
function untilSignalled(): AbortSignal {
  const control = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => control.abort(new Error(`stopped by ${name}`)))
  return control.signal
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function readFlags(): FederationFlags | undefined {
  try {
    return federationFlags(process.argv.slice(2))
  } catch (error) {
    console.error(`federation: ${sentence(error)}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}

const flags = readFlags()
const signal = untilSignalled()
if (flags) {
  try {
    await run(flags, signal)
  } catch (error) {
    console.error(`federation: ${sentence(error)}`)
    process.exitCode = 1
  }
}
