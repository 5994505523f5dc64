// Writes crds/<kind>.yaml; with --check it writes nothing, and fails where a file differs from what it would write.
import { readFile, writeFile } from 'node:fs/promises'
import { dump } from 'js-yaml'
import { customResourceDefinition } from './crd.ts'
import { gpuJobKind } from './gpujob.ts'
import { gpuNodeKind } from './gpunode.ts'
import { gpuQueueKind } from './gpuqueue.ts'
import { gpuRunKind } from './gpurun.ts'
import { joinRequestKind } from './joinrequest.ts'
import type { Kind } from './kind.ts'
import { providerKind } from './provider.ts'
import { providerReportKind } from './providerreport.ts'

export const kinds: readonly Kind[] = [
  gpuJobKind,
  gpuRunKind,
  gpuQueueKind,
  providerKind,
  gpuNodeKind,
  providerReportKind,
  joinRequestKind,
]

const folder = new URL('../../../crds/', import.meta.url)

function yaml(kind: Kind): string {
  const header = '# Generated from operator/src/api by `npm run crds`: change it there.\n'
  return header + dump(customResourceDefinition(kind), { noRefs: true, lineWidth: -1 })
}

/** Says where the two texts part, in the lines of the committed one. Undefined where they do not. */
export function difference(committed: string, generated: string): string | undefined {
  if (committed === generated) return undefined
  const old = committed.split('\n')
  const fresh = generated.split('\n')
  const at = fresh.findIndex((line, index) => line !== old[index])
  const line = at === -1 ? fresh.length : at
  return [`line ${line + 1}`, `- ${old[line] ?? '(end of file)'}`, `+ ${fresh[line] ?? '(end of file)'}`].join('\n')
}

async function committed(file: URL): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new Error(`reading ${file.pathname}`, { cause })
  }
}

async function main(args: readonly string[]): Promise<void> {
  for (const kind of kinds) {
    const name = `${kind.singular}.yaml`
    const file = new URL(name, folder)
    const generated = yaml(kind)
    if (!args.includes('--check')) {
      await writeFile(file, generated)
      continue
    }
    const found = difference(await committed(file), generated)
    if (found === undefined) continue
    console.error(`crds/${name} is not what operator/src/api says (run \`npm run crds\`): ${found}`)
    process.exitCode = 1
  }
}

if (import.meta.main) await main(process.argv.slice(2))
