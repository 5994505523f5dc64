import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { noRules } from '../api/owner-rules.ts'
import { WrongFlags } from '../config.ts'
import { readRules } from './rules-file.ts'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'rules-'))))
afterAll(() => rm(folder, { recursive: true }))

async function read(yaml: string) {
  const file = join(folder, 'rules.yaml')
  await writeFile(file, yaml)
  return readRules(file)
}

test.each([
  { name: 'no file', rules: () => readRules(undefined) },
  { name: 'an empty file', rules: () => read('') },
  { name: 'a file of comments', rules: () => read('# none yet') },
  { name: 'a file with an empty object', rules: () => read('{}') },
])('$name has no rules', async ({ rules }) => {
  expect(await rules()).toEqual(noRules)
})

test('what is not said has its default', async () => {
  const windows = '[{days: [Sat], from: "00:00", to: "24:00"}]'
  expect(await read(`keptGpusPerNode: 2\nimages: {deny: [docker.io/evil/*]}\nhours: {windows: ${windows}}`)).toEqual({
    ...noRules,
    keptGpusPerNode: 2,
    images: { deny: ['docker.io/evil/*'], pinning: 'Any' },
    hours: { timeZone: 'UTC', windows: [{ days: ['Sat'], from: '00:00', to: '24:00' }] },
  })
})

const wrong: { name: string; yaml: string; says: string }[] = [
  { name: 'a rule that there is none of', yaml: 'mostGpus: 4', says: 'mostGpus' },
  { name: 'a rule in a rule that there is none of', yaml: 'images: {allowed: [a.io/b]}', says: 'allowed' },
  { name: 'an image without its registry', yaml: 'images: {allow: [ubuntu]}', says: 'images.allow[0]' },
  { name: 'a star in the middle', yaml: 'tenants: {allow: ["a*b"]}', says: 'tenants.allow[0]' },
  { name: 'an empty list of what is allowed', yaml: 'tenants: {allow: []}', says: 'tenants.allow' },
  { name: 'a level that there is none of', yaml: 'podSecurity: Privileged', says: 'podSecurity' },
  {
    name: 'a time zone that there is none of',
    yaml: 'hours: {timeZone: Europe/Atlantis, windows: [{days: [Mon], from: "00:00", to: "24:00"}]}',
    says: 'Europe/Atlantis is no time zone',
  },
  {
    name: 'a time that YAML took for a number',
    yaml: 'hours: {windows: [{days: [Mon], from: 1900, to: "24:00"}]}',
    says: 'hours.windows[0].from',
  },
  { name: 'a number that is text', yaml: 'keptGpusPerNode: "2"', says: 'keptGpusPerNode' },
  { name: 'no YAML', yaml: 'a: [', says: 'is no YAML' },
  { name: 'no object', yaml: 'none', says: 'is wrong' },
]
test.each(wrong)('$name is said with its place: $says', async ({ yaml, says }) => {
  const reading = read(yaml)
  await expect(reading).rejects.toThrow(WrongFlags)
  await expect(reading).rejects.toThrow(says)
})

test('a file that is not there is named', async () => {
  await expect(readRules(join(folder, 'none.yaml'))).rejects.toThrow(/--rules .*none.yaml cannot be read/)
})
