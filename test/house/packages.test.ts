import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('CI installs every Debian package that a node needs', () => {
  const needed = [...read('test/kubelet/why-no-node.ts').matchAll(/^ {2}(?:\w+|'[^']+'): '([a-z0-9-]+)',$/gm)].map(
    ([, name]) => name,
  )
  const installed = /^packages=\((.*)\)$/m.exec(read('.ci/run'))?.[1]?.split(' ')
  expect(needed.length).toBeGreaterThan(8)
  expect(new Set(installed)).toEqual(new Set(needed))
})

test('the image runs Node as the test bed does', () => {
  const bed = read('test/bed/program.ts')
  const dockerfile = read('Dockerfile')
  const flags = /nodeArgs: \[(.*)\]/.exec(bed)?.[1]?.replaceAll("'", '"')
  const env = [...(/env: \{ (MALLOC.*) \}/.exec(bed)?.[1] ?? '').matchAll(/(\w+): '(\d+)'/g)].map(
    ([, name, value]) => `${name}=${value}`,
  )
  expect(dockerfile).toContain(`ENTRYPOINT ["/nodejs/bin/node", ${flags}]`)
  expect(dockerfile).toContain(`ENV ${env.join(' ')}`)
  expect(env).toHaveLength(3)
})
