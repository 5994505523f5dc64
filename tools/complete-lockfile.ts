// `npm run lockfile`, after each npm install: adds what npm left out of package-lock.json. With --check it only says what is wrong.
import { readFileSync, writeFileSync } from 'node:fs'
import { faults, type Lockfile, missingEntries, withEntries } from './lockfile.ts'

const lockfile = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lockfile

if (process.argv.includes('--check')) {
  const found = faults(lockfile, JSON.parse(readFileSync('package.json', 'utf8')) as Parameters<typeof faults>[1])
  for (const fault of found) console.error(`package-lock.json: ${fault}`)
  if (found.length > 0) console.error('mend it with `npm install --ignore-scripts && npm run lockfile`')
  process.exitCode = found.length > 0 ? 1 : 0
} else {
  const missing = missingEntries(lockfile)
  writeFileSync('package-lock.json', `${JSON.stringify(withEntries(lockfile, missing), null, 2)}\n`)
  console.log(`added ${Object.keys(missing).length} optional packages of other platforms to package-lock.json`)
}
