/**
 * An image with its registry and path, as container runtimes read it: `ubuntu` is `docker.io/library/ubuntu`. Tag and digest
 * stay. By https://github.com/distribution/reference
 */
export function fullImageName(image: string): string {
  const slash = image.indexOf('/')
  const first = slash === -1 ? '' : image.slice(0, slash)
  const namesRegistry = /[.:]/.test(first) || first.toLowerCase() === 'localhost' || first !== first.toLowerCase()
  if (!namesRegistry) return withLibrary('docker.io', image)
  return withLibrary(registryOf(first), image.slice(slash + 1))
}

/** What of images a rule names, as they are read: all of a name, or its beginning and a `*`. */
export function fullImagePattern(pattern: string): string {
  if (!pattern.endsWith('*')) return fullImageName(pattern)
  const slash = pattern.indexOf('/')
  return registryOf(pattern.slice(0, slash)) + pattern.slice(slash)
}

function registryOf(name: string): string {
  const registry = name.toLowerCase().replace(/:443$/, '')
  return registry === 'index.docker.io' ? 'docker.io' : registry
}

function withLibrary(registry: string, path: string): string {
  return registry === 'docker.io' && !path.includes('/') ? `docker.io/library/${path}` : `${registry}/${path}`
}

/** Whether it says by its content which image it is. */
export function isPinned(image: string): boolean {
  return /@sha256:[0-9a-f]{64}$/.test(image)
}
