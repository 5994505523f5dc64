// `make test`: verify, then each other folder of test/ as a suite of its own, because a control plane wants the machine for itself.
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { jestStep, resultsFolder, runSteps, type Step, untilSignalled } from './steps.ts'
import { countLine, sum } from './tally.ts'
import { unitTests, verifySteps } from './verify.ts'

function suites(): Step[] {
  const verified = new Set(unitTests())
  const files = globSync('test/**/*.test.ts').filter((file) => !verified.has(file))
  const byFolder = Object.groupBy(files.toSorted(), (file) => file.split('/')[1] ?? file)
  return Object.entries(byFolder).map(([folder, inFolder = []]) => jestStep(folder, inFolder, 1))
}

/** Where `.ci/run` finds the closing line, should make have said something after it. */
const summary = `${resultsFolder}/summary`
mkdirSync(resultsFolder, { recursive: true })
rmSync(summary, { force: true })

const signal = untilSignalled()
const verified = await runSteps(verifySteps(), { atOnce: 2, output: 'Held', signal, print: console.log })
const tested = await runSteps(suites(), { atOnce: 1, output: 'Live', signal, print: console.log })

const total = sum([...verified, ...tested])
writeFileSync(summary, `${countLine(total)}\n`)
console.log(`\n${countLine(total)}`)
process.exitCode = total.failed > 0 ? 1 : 0
