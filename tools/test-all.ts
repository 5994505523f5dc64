// `make test`: verify, then each other test file as a step of its own, one after the other: a control plane wants the machine
// for itself, and what one file leaves open or breaks is no other's trouble.
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { whyNoNode } from '../test/kubelet/why-no-node.ts'
import { jestStep, resultsFolder, runSteps, type Step, untilSignalled } from './steps.ts'
import { countLine, sum } from './tally.ts'
import { unitTests, verifySteps } from './verify.ts'

function suites(): Step[] {
  const verified = new Set(unitTests())
  const files = globSync('test/**/*.test.ts').filter((file) => !verified.has(file))
  return files.toSorted().map((file) => {
    const step = jestStep(file.slice('test/'.length, -'.test.ts'.length), [file], 1)
    return file.startsWith('test/kubelet/') && noNode === undefined ? inOwnNamespaces(step) : step
  })
}

const noNode = whyNoNode()
if (noNode !== undefined) {
  console.log(`\nLEFT OUT, and counted as skipped: everything on a real kubelet (test/kubelet), for ${noNode}\n`)
}

function inOwnNamespaces(step: Step): Step {
  return { ...step, command: ['test/kubelet/own-namespaces.sh', ...step.command] }
}

/** Our programs start hundreds of times here, and most of what a start costs is to compile: Node keeps that from one to the next. */
process.env['NODE_COMPILE_CACHE'] = resolve(resultsFolder, 'compile-cache')

/** Where `.ci/run` finds the closing line, should make have said something after it. */
const summary = `${resultsFolder}/summary`
mkdirSync(resultsFolder, { recursive: true })
rmSync(summary, { force: true })

/** Below the 90 minutes of CI, so that what was counted until then is said. */
const mostMinutes = 80
const signal = AbortSignal.any([untilSignalled(), AbortSignal.timeout(mostMinutes * 60_000)])
const verified = await runSteps(verifySteps(), { atOnce: 2, output: 'Held', signal, print: console.log })
const tested = await runSteps(suites(), { atOnce: 1, output: 'Live', signal, print: console.log })

const total = sum([...verified, ...tested])
writeFileSync(summary, `${countLine(total)}\n`)
console.log(`\n${countLine(total)}`)
process.exitCode = total.failed > 0 ? 1 : 0
