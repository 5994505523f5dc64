import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { resolveBinaries, type Surroundings, tools } from './resolve-binaries.ts'
import { build } from './resolve-build.ts'
import { checksumOf, isReachable } from './resolve-download.ts'
import { tryLock } from './resolve-lock.ts'
import { pinOf, requiredVersion, saysVersion, type Tool } from './resolve-pins.ts'

let folder: string
let said: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'resolve-'))
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Nothing on PATH, nobody to download from, and a build that makes small scripts. */
function surroundings(changes: Partial<Surroundings> = {}): Surroundings {
  return {
    env: { PATH: '/usr/bin:/bin' },
    pin: (tool) => ({ ...pinOf(tool), version: 'v1.2.3' }),
    sites: { kubernetes: 'http://127.0.0.1:1', etcd: 'http://127.0.0.1:1' },
    build: builds('v1.2.3'),
    ...changes,
  }
}

function builds(version: string): typeof build {
  return async (pins, { install }) => {
    for (const pin of pins) await install(pin, async (path) => writeFileSync(path, script(version, 'built')))
  }
}

function script(version: string, mark = ''): string {
  return `#!/bin/sh\n# ${mark}\necho "Client Version: ${version}"\n`
}

/** A program in a folder of its own; gives the folder. */
function program(name: string, tool: Tool, version: string): string {
  const inside = join(folder, name)
  mkdirSync(inside, { recursive: true })
  writeFileSync(join(inside, tool), script(version))
  chmodSync(join(inside, tool), 0o755)
  return inside
}

function resolve<T extends Tool>(names: readonly T[], around: Surroundings): Promise<Readonly<Record<T, string>>> {
  return resolveBinaries(names, { cacheFolder: join(folder, 'cache'), report: (line) => said.push(line) }, around)
}

const cached = (tool: Tool) => join(folder, 'cache', `${tool}-v1.2.3`, tool)

describe('where a program comes from', () => {
  test('KUBEBUILDER_ASSETS comes before PATH', async () => {
    const env = {
      KUBEBUILDER_ASSETS: program('assets', 'kubectl', 'v1.2.3'),
      PATH: program('path', 'kubectl', 'v1.2.3'),
    }
    expect(await resolve(['kubectl'], surroundings({ env }))).toEqual({ kubectl: join(folder, 'assets', 'kubectl') })
  })

  test('one of another version is passed over, wherever it lies', async () => {
    const wrong = [program('assets', 'kubectl', 'v1.2.4'), program('older', 'kubectl', 'v1.2.30')]
    const PATH = [...wrong, program('right', 'kubectl', 'v1.2.3')].join(delimiter)
    const env = { KUBEBUILDER_ASSETS: wrong[0], PATH }
    expect(await resolve(['kubectl'], surroundings({ env }))).toEqual({ kubectl: join(folder, 'right', 'kubectl') })
  })

  test('one that does not run is passed over', async () => {
    chmodSync(join(program('path', 'kubectl', 'v1.2.3'), 'kubectl'), 0o644)
    const found = await resolve(['kubectl'], surroundings({ env: { PATH: `${join(folder, 'path')}:/usr/bin:/bin` } }))
    expect(found).toEqual({ kubectl: cached('kubectl') })
  })

  test('what is in the cache is neither downloaded nor built again', async () => {
    await resolve(['kwok'], surroundings())
    const build = () => Promise.reject(new Error('built again'))
    expect(await resolve(['kwok'], surroundings({ build }))).toEqual({ kwok: cached('kwok') })
  })

  test('programs of one module are built together', async () => {
    const together: string[][] = []
    const build: Surroundings['build'] = (pins, options) => {
      together.push(pins.map((pin) => pin.tool))
      return builds('v1.2.3')(pins, options)
    }
    await resolve(tools, surroundings({ build }))
    const kubernetes = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl']
    expect(together).toEqual([kubernetes, ['etcd'], ['kwok']])
  })
})

describe('half-written programs', () => {
  test('what a killed process left is cleared, not used', async () => {
    mkdirSync(join(folder, 'cache', '.unfinished-kwok-abc'), { recursive: true })
    writeFileSync(join(folder, 'cache', '.unfinished-kwok-abc', 'kwok'), 'half of it')
    await resolve(['kwok'], surroundings())
    expect(readdirSync(join(folder, 'cache')).toSorted()).toEqual(['kwok-v1.2.3', 'kwok.lock'])
    expect(readFileSync(cached('kwok'), 'utf8')).toContain('built')
  })

  test('one that does not say the right version never gets its name', async () => {
    const wrong = resolve(['kwok'], surroundings({ build: builds('v1.2.2') }))
    await expect(wrong).rejects.toThrow('does not say the version')
    expect(readdirSync(join(folder, 'cache'))).toEqual(['kwok.lock'])
  })
})

describe('two at once', () => {
  test('the second waits, says so, and takes what the first has built', async () => {
    const { promise: finish, resolve: finished } = Promise.withResolvers<void>()
    let built = 0
    const slow: Surroundings['build'] = async (pins, options) => {
      built++
      await finish
      await builds('v1.2.3')(pins, options)
    }
    const both = [resolve(['etcd'], surroundings({ build: slow })), resolve(['etcd'], surroundings({ build: slow }))]
    while (!said.some((line) => line.startsWith('waiting for another process'))) await new Promise(setImmediate)
    finished()
    expect(await Promise.all(both)).toEqual([{ etcd: cached('etcd') }, { etcd: cached('etcd') }])
    expect(built).toBe(1)
  })

  test('a lock is free again when its holder is killed', async () => {
    const file = join(folder, 'a.lock')
    const holder = `import { tryLock } from ${JSON.stringify(join(import.meta.dirname, 'resolve-lock.ts'))}
      console.log(tryLock(${JSON.stringify(file)}) ? 'held' : 'not held'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', holder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [answer] = await once(child.stdout, 'data')
    expect(String(answer)).toBe('held\n')
    expect(tryLock(file)).toBeUndefined()
    child.kill('SIGKILL')
    await once(child, 'exit')
    const lock = tryLock(file)
    expect(lock).toBeDefined()
    lock?.[Symbol.dispose]()
  })
})

describe('downloads', () => {
  /** Serves these files, by the end of their paths. */
  async function site(files: Readonly<Record<string, string | Buffer>>) {
    const server = createServer((request, response) => {
      const name = Object.keys(files).find((end) => request.url?.endsWith(`/${end}`))
      if (name === undefined) response.writeHead(404).end()
      else response.end(files[name])
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { sites: { kubernetes: url, etcd: url }, [Symbol.dispose]: () => void server.close() }
  }
  const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
  const kubectl = script('v1.2.3', 'downloaded')

  test('come before the build', async () => {
    using official = await site({ kubectl, 'kubectl.sha256': sha256(kubectl) })
    await resolve(['kubectl'], surroundings(official))
    expect(readFileSync(cached('kubectl'), 'utf8')).toContain('downloaded')
  })

  test('with another checksum are thrown away, and the program is built', async () => {
    using official = await site({ kubectl, 'kubectl.sha256': sha256('something else') })
    await resolve(['kubectl'], surroundings(official))
    expect(readFileSync(cached('kubectl'), 'utf8')).toContain('built')
    expect(said.join('\n')).toContain('has not the SHA-256')
  })

  test('of etcd are unpacked', async () => {
    const name = `etcd-v1.2.3-linux-${process.arch === 'x64' ? 'amd64' : process.arch}`
    program(name, 'etcd', 'v1.2.3')
    execFileSync('tar', ['-czf', 'packed', name], { cwd: folder })
    const packed = readFileSync(join(folder, 'packed'))
    using official = await site({ [`${name}.tar.gz`]: packed, SHA256SUMS: `${sha256(packed)}  ${name}.tar.gz\n` })
    const build = () => Promise.reject(new Error('built'))
    await resolve(['etcd'], surroundings({ ...official, build }))
    expect(readdirSync(join(folder, 'cache', 'etcd-v1.2.3'))).toEqual(['etcd'])
  })

  test('a network that swallows everything is given up after three seconds', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const start = performance.now()
    expect(await isReachable({ kubernetes: url, etcd: url })).toBe(false)
    expect(performance.now() - start).toBeLessThan(4500)
    silent.closeAllConnections()
    silent.close()
  })

  const sum = 'a'.repeat(64)
  test.each([
    { name: 'a bare checksum', published: `${sum}\n`, says: sum },
    { name: 'a line among others', published: `${'b'.repeat(64)}  other\n${sum}  kubectl\n`, says: sum },
    { name: 'no line of this file', published: `${sum}  other\n`, says: 'no SHA-256 of kubectl is published' },
    { name: 'an error page', published: '<html>', says: 'no SHA-256 of kubectl is published' },
  ])('$name', ({ published, says }) => {
    expect(outcome(() => checksumOf(published, 'kubectl'))).toBe(says)
  })
})

describe('the build', () => {
  const one = (env: Readonly<Record<string, string>>) => resolve(['etcd'], surroundings({ env, build }))

  test('runs Go without cgo, and takes what it made', async () => {
    const bin = join(folder, 'go')
    mkdirSync(bin)
    const makes = `while [ "$1" != -o ]; do shift; done; cat > "$2/server" <<END\n${script('v1.2.3', 'cgo=$CGO_ENABLED')}END\n`
    writeFileSync(join(bin, 'go'), `#!/bin/sh\n${makes}`, { mode: 0o755 })
    await one({ PATH: `${bin}:/usr/bin:/bin` })
    expect(readFileSync(cached('etcd'), 'utf8')).toContain('cgo=0')
    expect(said).toEqual([expect.stringMatching(/^building etcd v1\.2\.3 with Go: about/), 'built etcd'])
  })

  test('says what to install where there is no Go', async () => {
    await expect(one({ PATH: folder })).rejects.toThrow('Install Go 1.24 or newer')
  })

  test('shows the words of Go when it fails', async () => {
    writeFileSync(join(folder, 'go'), '#!/bin/sh\necho "no such module" >&2\nexit 1\n', { mode: 0o755 })
    await expect(one({ PATH: folder })).rejects.toThrow('no such module')
    expect(existsSync(cached('etcd'))).toBe(false)
  })
})

describe('versions', () => {
  test('are those of the go.mod files', () => {
    const pins = Object.fromEntries(tools.map((tool) => [tool, pinOf(tool).version]))
    expect(pins).toMatchObject({
      'kube-apiserver': expect.stringMatching(/^v1\.\d+\.\d+$/),
      kwok: expect.stringMatching(/^v0\./),
    })
    expect(pinOf('kubectl').ldflags).toContain(`gitVersion=${pinOf('kubectl').version}`)
  })

  test.each([
    { name: 'a line of a block', goMod: 'require (\n\tk8s.io/kubernetes v1.34.4 // indirect\n)', says: 'v1.34.4' },
    { name: 'a line of its own', goMod: 'require k8s.io/kubernetes v1.34.4', says: 'v1.34.4' },
    {
      name: 'a longer name',
      goMod: 'k8s.io/kubernetes-extra v1.0.0',
      says: 'go.mod requires no version of k8s.io/kubernetes',
    },
  ])('$name', ({ goMod, says }) => {
    expect(outcome(() => requiredVersion(goMod, 'k8s.io/kubernetes'))).toBe(says)
  })

  test.each([
    { printed: 'Kubernetes v1.34.4', is: true },
    { printed: 'etcd Version: 1.34.4\nGit SHA: 1', is: true },
    { printed: 'Kubernetes v1.34.40', is: false },
    { printed: 'Kubernetes v1.34.4-rc.1', is: false },
    { printed: 'Kubernetes v11.34.4', is: false },
    { printed: '', is: false },
  ])('"$printed" says v1.34.4: $is', ({ printed, is }) => {
    expect(saysVersion(printed, 'v1.34.4')).toBe(is)
  })
})

/** What a function returns, or the message that it throws. */
function outcome(run: () => string): string {
  try {
    return run()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
