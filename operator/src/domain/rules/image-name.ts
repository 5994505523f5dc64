/**
 * An image with its registry and path, as container runtimes read it: `ubuntu` is `docker.io/library/ubuntu`. Tag and digest
 * stay. By https://github.com/distribution/reference
 */
export function fullImageName(image: string): string {
  const slash = image.indexOf('/')
  const first = slash === -1 ? '' : image.slice(0, slash)
  const namesRegistry = /[.:]/.test(first) || first.toLowerCase() === 'localhost' || first !== first.toLowerCase()
  if (!namesRegistry) return withLibrary('docker.io', image)
  const registry = first.toLowerCase().replace(/:443$/, '')
  const path = image.slice(slash + 1)
  return withLibrary(registry === 'index.docker.io' ? 'docker.io' : registry, path)
}

function withLibrary(registry: string, path: string): string {
  return registry === 'docker.io' && !path.includes('/') ? `docker.io/library/${path}` : `${registry}/${path}`
}

/** Whether it says by its content which image it is. */
export function isPinned(image: string): boolean {
  return /@sha256:[0-9a-f]{64}$/.test(image)
}
