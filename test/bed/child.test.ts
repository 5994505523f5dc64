import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, jest, test } from '@jest/globals'
import { startChild, waitUntil } from './child.ts'
import { leftRunning } from './left-running.ts'
import { onFreePorts } from './ports.ts'

jest.setTimeout(60_000)

const folder = mkdtempSync(join(tmpdir(), 'bed-child-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const shell = (name: string, script: string) => ({
  name,
  command: 'sh',
  args: ['-c', script],
  log: join(folder, `${name}.log`),
})

test('a program whose owner is killed in the very moment of starting it does not stay', async () => {
  const seconds = `600.${process.pid}` // So that no other sleep is meant.
  const log = join(folder, 'sleep.log')
  const owner = `import { startChild } from ${JSON.stringify(join(import.meta.dirname, 'child.ts'))}
    startChild({ name: 'x', command: 'sleep', args: [${JSON.stringify(seconds)}], log: ${JSON.stringify(log)} })
    process.kill(process.pid, 'SIGKILL')`
  for (let round = 0; round < 10; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', owner], { stdio: 'ignore' })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
  }
  await waitUntil(async () => leftRunning(seconds).length === 0 || undefined, { what: 'them to end', seconds: 10 })
})

test('one that does not stop when asked is killed', async () => {
  const child = await startChild(shell('deaf', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'))
  await waitUntil(async () => (await child.output()).includes('ready') || undefined, {
    what: 'its trap',
    seconds: 10,
    child,
  })
  await child.stop(0.3)
  expect(child.ended()).toBe('SIGKILL')
})

test('its end is heard of unless it was told to', async () => {
  const ends: string[] = []
  const byItself = await startChild({ ...shell('by-itself', 'exit 4'), onUnexpectedEnd: (how) => ends.push(how) })
  await byItself.end
  const told = await startChild({ ...shell('told', 'exec sleep 60'), onUnexpectedEnd: (how) => ends.push(how) })
  await told.kill()
  expect(ends).toEqual(['exit code 4'])
})

test('logs are kept when it is started again, and its output is only its own', async () => {
  const first = await startChild(shell('again', 'echo one'))
  await first.end
  const second = await startChild(shell('again', 'echo two'))
  await second.end
  expect([await second.output(), readFileSync(join(folder, 'again.log'), 'utf8')]).toEqual(['two\n', 'one\ntwo\n'])
})

test('one that lets others go first does so beyond its own session', async () => {
  const child = await startChild({ ...shell('nice', 'nice; cat /proc/self/autogroup || true'), niceness: 7 })
  await child.end
  const said = await child.output()
  expect(said).toMatch(existsSync('/proc/self/autogroup') ? /^7\n.* nice 7$/m : /^7\n/)
})

test('a server whose port was taken meanwhile gets another', async () => {
  const ports: number[] = []
  const start = async (port: number) => {
    ports.push(port)
    if (ports.length < 3) throw new Error('listen tcp 127.0.0.1: bind: address already in use')
    return port
  }
  expect(await onFreePorts(start)).toBe(ports[2])
  await expect(onFreePorts(() => Promise.reject(new Error('no such flag')))).rejects.toThrow('no such flag')
})
