/** A manifest as somebody might write it: right or wrong. */
export type Manifest = Record<string, unknown>

/** Nothing special: every wrong manifest is this one with one thing changed. */
export function plainJob(name: string): Manifest {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: { name, namespace: 'demo' },
    spec: {
      gpus: { count: 1 },
      template: { spec: { containers: [{ name: 'main', image: 'example.com/train:1' }] } },
    },
  }
}

/** The manifest with the value at a path such as `spec.template.spec.containers[0].image`; undefined takes the field out. */
export function changed(manifest: Manifest, at: string, to: unknown): Manifest {
  const copy = structuredClone(manifest)
  const keys = at.split(/[.[\]]+/).filter((key) => key !== '')
  const last = keys.pop() ?? ''
  let inner = copy
  for (const key of keys) inner = (inner[key] ??= {}) as Manifest
  if (to === undefined) delete inner[last]
  else inner[last] = to
  return copy
}
