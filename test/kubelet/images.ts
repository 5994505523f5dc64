// Images without a registry: made by Debian's buildah from programs of this machine, as archives for containerd.
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { buildMains } from '../../tools/build.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')

export const PAUSE_IMAGE = 'localhost/pause:1'
/** busybox as root, as most images are. */
export const BUSYBOX_IMAGE = 'localhost/busybox:1'
/** What both charts ask for by default. */
export const OUR_IMAGE = `docker.io/library/gpu-commons:${packageJson.version}`

interface Wanted {
  readonly image: string
  readonly context: string
  readonly dockerfile: string
  readonly args?: Readonly<Record<string, string>>
}

const ourImage = {
  image: OUR_IMAGE,
  context: root,
  dockerfile: join(root, 'Dockerfile'),
  args: { BASE: 'localhost/node-base:1' },
} as const satisfies Wanted

export interface ImageFolder {
  /** For contexts and archives. */
  readonly dir: string
}

/** Builds all, and gives their archives. */
export async function buildImages(folder: ImageFolder): Promise<readonly string[]> {
  const simple = await buildSimpleImages(folder)
  await buildMains()
  const node = await nodeContext(join(folder.dir, 'node'))
  const base = { image: ourImage.args.BASE, context: node, dockerfile: join(node, 'Dockerfile') }
  return [...simple, ...(await archivesOf(folder, [base, ourImage]))]
}

/** Those that sandboxes and jobs need. */
export async function buildSimpleImages({ dir }: ImageFolder): Promise<readonly string[]> {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir, { recursive: true })
  const busybox = await busyboxContext(join(dir, 'busybox'))
  return archivesOf({ dir }, [
    { image: PAUSE_IMAGE, context: busybox, dockerfile: join(busybox, 'pause.Dockerfile') },
    { image: BUSYBOX_IMAGE, context: busybox, dockerfile: join(busybox, 'Dockerfile') },
  ])
}

async function archivesOf({ dir }: ImageFolder, wanted: readonly Wanted[]): Promise<readonly string[]> {
  const archives: string[] = []
  for (const one of wanted) {
    await buildah(dir, 'bud', ...budArgs(one))
    if (one.image === ourImage.args.BASE) continue
    const archive = join(dir, `${one.image.replaceAll(/\W+/g, '-')}.tar`)
    await buildah(dir, 'push', one.image, `docker-archive:${archive}:${one.image}`)
    archives.push(archive)
  }
  return archives
}

function budArgs({ image, context, dockerfile, args = {} }: Wanted): string[] {
  const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  return [
    '--isolation',
    'chroot',
    '--timestamp',
    '0',
    '--layers=false',
    ...given,
    '-t',
    image,
    '-f',
    dockerfile,
    context,
  ]
}

/** Of our image, as it was built and as it is built once more from the same sources: the digests of its configuration, and so of its layers. */
export async function idsOfTwoBuilds({ dir }: ImageFolder): Promise<readonly [string, string]> {
  await buildMains()
  const again = 'localhost/again:1'
  await buildah(dir, 'bud', ...budArgs({ ...ourImage, image: again }))
  return [await imageId(dir, OUR_IMAGE), await imageId(dir, again)]
}

/** All files in our image, by path. */
export async function filesOfOurImage({ dir }: ImageFolder): Promise<readonly string[]> {
  const container = (await buildah(dir, 'from', OUR_IMAGE)).trim()
  const mounted = (await buildah(dir, 'mount', container)).trim()
  const { stdout } = await run('find', [mounted, '-not', '-type', 'd', '-printf', '/%P\n'])
  await buildah(dir, 'rm', container)
  return stdout.trim().split('\n')
}

async function imageId(dir: string, image: string): Promise<string> {
  const said = JSON.parse(await buildah(dir, 'inspect', '--type', 'image', image)) as { FromImageID: string }
  return said.FromImageID
}

async function buildah(dir: string, ...args: readonly string[]): Promise<string> {
  const own = ['--storage-driver', 'vfs', '--root', join(dir, 'storage'), '--runroot', join(dir, 'storage-run')]
  const { stdout } = await run('buildah', [...own, ...args], { maxBuffer: 10_000_000 })
  return stdout
}

export async function imported(archive: string, socket: string): Promise<void> {
  await run('ctr', [
    '--address',
    socket,
    '--namespace',
    'k8s.io',
    'images',
    'import',
    '--snapshotter',
    'native',
    archive,
  ])
}

async function busyboxContext(dir: string): Promise<string> {
  await mkdir(join(dir, 'bin'), { recursive: true })
  await cp('/bin/busybox', join(dir, 'bin', 'busybox'), { dereference: true })
  const { stdout } = await run('/bin/busybox', ['--list'])
  const names = stdout
    .trim()
    .split('\n')
    .filter((name) => name !== 'busybox')
  await run('sh', ['-c', 'cd "$0" && for name; do ln -sf busybox "bin/$name"; done', dir, ...names])
  await writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nCMD ["sh"]\n')
  await writeFile(
    join(dir, 'pause.Dockerfile'),
    'FROM scratch\nCOPY bin/busybox /bin/busybox\nUSER 65535\nENTRYPOINT ["/bin/busybox", "sleep", "1000000"]\n',
  )
  return dir
}

/** Where the distroless images have it: Node at /nodejs/bin/node, and the libraries that it names. */
async function nodeContext(dir: string): Promise<string> {
  const files = join(dir, 'files')
  const node = process.execPath
  await mkdir(join(files, 'nodejs', 'bin'), { recursive: true })
  await cp(node, join(files, 'nodejs', 'bin', 'node'), { dereference: true })
  await chmod(join(files, 'nodejs', 'bin', 'node'), 0o755)
  const { stdout } = await run('ldd', [node])
  for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    await mkdir(join(files, dirname(library)), { recursive: true })
    await cp(library, join(files, library), { dereference: true })
  }
  await writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY files /\nUSER 65532:65532\n')
  return dir
}
