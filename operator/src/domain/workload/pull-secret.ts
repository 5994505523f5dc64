// All secrets to pull images with, as one.
import { PULL_KEYS } from './payload.ts'
import type { Content, PayloadProblem } from './payload-content.ts'

/**
 * A `.dockerconfigjson` in base64. A registry that comes twice has the credentials of the first: a kubelet would try
 * both, but the format has room for one. Only credentials travel, no names of helper programs.
 */
export function mergedPullSecret(contents: readonly Content[]): string | PayloadProblem {
  const registries = new Map<string, unknown>()
  for (const content of contents) {
    const found = registriesOf(content)
    if (!found) {
      return {
        reason: 'PullSecretBroken',
        message: `Secret ${content.name} of imagePullSecrets has no registries under ${PULL_KEYS[0]}; make it anew with kubectl create secret docker-registry`,
      }
    }
    for (const [registry, credentials] of found) if (!registries.has(registry)) registries.set(registry, credentials)
  }
  return Buffer.from(JSON.stringify({ auths: Object.fromEntries(registries) })).toString('base64')
}

function registriesOf({ data }: Content): [string, unknown][] | undefined {
  const [today, before] = PULL_KEYS.map((key) => objectIn(data.get(key)))
  const found = today ? asObject(today['auths']) : before
  const entries = found && Object.entries(found)
  return entries?.every(([, credentials]) => asObject(credentials)) ? entries : undefined
}

function objectIn(base64: string | undefined): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(Buffer.from(base64 ?? '', 'base64').toString()))
  } catch {
    return undefined // No JSON: the caller says which Secret is broken.
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
