// npm leaves optional packages of other platforms out of package-lock.json where the registry at hand lacks them, and `npm ci` then refuses.

/** The part of package-lock.json that is looked at. */
export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const manifestFields = ['dependencies', 'devDependencies', 'optionalDependencies'] as const
type Manifest = Pick<LockedPackage, (typeof manifestFields)[number]>

/** The entries that the lockfile lacks, by path, each with what npm needs to know to leave it out elsewhere. */
export function missingEntries({ packages }: Lockfile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, parent] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (places(path, name).some((place) => packages[place])) continue
      missing[`node_modules/${name}`] = {
        version: version.replace(/^[~^]/, ''),
        ...platformOf(name),
        ...(parent.dev ? { dev: true } : {}),
        optional: true,
      }
    }
  }
  return missing
}

/** Entries are sorted by path, as npm writes them. */
export function withEntries<L extends Lockfile>(lockfile: L, entries: Lockfile['packages']): L {
  const sorted = Object.entries({ ...lockfile.packages, ...entries }).toSorted(([a], [b]) => a.localeCompare(b, 'en'))
  return { ...lockfile, packages: Object.fromEntries(sorted) }
}

/** What keeps `npm ci` from working elsewhere, one sentence each. */
export function faults(lockfile: Lockfile, manifest: Manifest): string[] {
  const root = lockfile.packages[''] ?? {}
  return [
    ...Object.keys(missingEntries(lockfile)).map((path) => `${path} is missing`),
    ...Object.entries(lockfile.packages)
      .filter(([, locked]) => locked.resolved?.includes('://'))
      .map(([path]) => `${path} has a download address`),
    ...manifestFields
      .filter((field) => !sameVersions(manifest[field], root[field]))
      .map((field) => `${field} differ from those of package.json`),
  ]
}

/** Where Node would look for a package, seen from the one that wants it. */
function places(from: string, name: string): string[] {
  const parents = from.split('/node_modules/')
  const nested = parents.map((_, last) => `${parents.slice(0, last + 1).join('/node_modules/')}/node_modules/${name}`)
  return [`node_modules/${name}`, ...nested]
}

/** From names such as `@swc/core-linux-x64-musl`. */
function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const parts = /(?<os>[a-z0-9]+)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64)(?:-(?<abi>\w+))?$/.exec(
    name,
  )?.groups
  if (!parts?.['os'] || !parts['cpu']) throw new Error(`the name ${name} does not say for which platform it is`)
  const libc = parts['abi']?.startsWith('musl') ? 'musl' : parts['abi']?.startsWith('gnu') ? 'glibc' : undefined
  return { os: [parts['os']], cpu: [parts['cpu']], ...(libc ? { libc: [libc] } : {}) }
}

function sameVersions(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => a[name] === b[name])
}
