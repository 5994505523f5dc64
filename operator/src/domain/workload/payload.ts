// The tenant's Secrets and ConfigMaps that a template names.
import type { PodTemplate } from '../../api/template.ts'

/** Each source once, as `<kind> <name>`, in the order of the template. */
export function payloadSources({ spec }: PodTemplate): string[] {
  const found = new Set<string>()
  const note = (kind: string, name: string | undefined) => void (name !== undefined && found.add(`${kind} ${name}`))

  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      note('ConfigMap', configMapRef?.name)
      note('Secret', secretRef?.name)
    }
    for (const { valueFrom } of container.env ?? []) {
      note('ConfigMap', valueFrom?.configMapKeyRef?.name)
      note('Secret', valueFrom?.secretKeyRef?.name)
    }
  }
  for (const volume of spec.volumes ?? []) {
    note('ConfigMap', volume.configMap?.name)
    note('Secret', volume.secret?.secretName)
    for (const source of volume.projected?.sources ?? []) {
      note('ConfigMap', source.configMap?.name)
      note('Secret', source.secret?.name)
    }
  }
  for (const { name } of spec.imagePullSecrets ?? []) note('Secret', name)
  return [...found]
}
