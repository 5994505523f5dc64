import { expect, test } from '@jest/globals'
import { Command, Option } from 'commander'
import { completions } from './completion.ts'

const names = ['acme', 'acmexyz', 'borealis']

function program(): Command {
  const gpu = new Command('kubectl gpu')
    .option('--kubeconfig <file>', 'of the hub')
    .option('--context <name>', 'in it')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json', 'yaml']))
  gpu
    .command('invite')
    .description('makes one')
    .argument('<provider>')
    .option('--takeover', 'over')
    .option('--ttl <time>', 'long')
  gpu.command('revoke').description('shuts out').argument('<provider>')
  gpu.command('providers').description('who')
  return gpu
}

/** Words without their descriptions; the directive last. */
async function offered(...words: readonly string[]): Promise<string> {
  const text = await completions(program(), words, async ({ kubeconfig, context }) => [
    ...names,
    ...(kubeconfig ? [`in-${kubeconfig}-${context}`] : []),
  ])
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t')[0])
    .join(' ')
}

test.each([
  { words: [''], offers: 'invite revoke providers :4' },
  { words: ['inv'], offers: 'invite :4' },
  { words: ['nothing'], offers: ':4' },
  { words: ['revoke', ''], offers: 'acme acmexyz borealis :4' },
  { words: ['revoke', 'acmex'], offers: 'acmexyz :4' },
  { words: ['revoke', 'acme', ''], offers: ':4' },
  { words: ['providers', ''], offers: ':4' },
  { words: ['no-such', ''], offers: 'invite revoke providers :4' },
  { words: ['--kubeconfig', 'f', '--context=c', 'revoke', 'in'], offers: 'in-f-c :4' },
  { words: ['invite', '--takeover', 'b'], offers: 'borealis :4' },
  { words: ['invite', '--ttl', '1h', 'b'], offers: 'borealis :4' },
  { words: ['invite', '--ttl', ''], offers: ':4' },
  { words: ['invite', '--t'], offers: '--takeover --ttl :4' },
  { words: ['--o'], offers: '--output :4' },
  { words: ['-o', ''], offers: 'table json yaml :4' },
  { words: ['providers', '--output=j'], offers: '--output=json :4' },
  { words: ['--kubeconfig', 'some'], offers: ':0' },
  { words: ['--kubeconfig=some'], offers: ':0' },
])('$words: $offers', async ({ words, offers }) => {
  expect(await offered(...words)).toBe(offers)
})

test('a candidate comes with what it means, behind a tab', async () => {
  expect(await completions(program(), ['inv'], async () => [])).toBe('invite\tmakes one\n:4\n')
})
