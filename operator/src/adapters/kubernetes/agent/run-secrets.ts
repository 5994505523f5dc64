// The Secrets of a run on its provider: made of the payload that the hub laid beside the GpuRun, gone with the run.
// The agent may make and delete Secrets there and read none, so it never asks whether one is there: decisions/0012.
import type { GpuRun } from '../../../api/gpurun.ts'
import type { PodTemplate } from '../../../api/template.ts'
import type { NotYet } from '../../../controllers/agent/run.ts'
import type { Clock } from '../../../controllers/clock.ts'
import type { Refusal } from '../../../domain/lifecycle/gpurun-start.ts'
import { type OwnedSecrets, type SecretManifest, secretManifests } from '../../../domain/workload/job-manifest.ts'
import { payloadSources } from '../../../domain/workload/payload.ts'
import { canonicalText, opened, type Payload } from '../../../domain/workload/payload-content.ts'
import { type Provided, provided, type SecretNames, secretNames } from '../../../domain/workload/payload-pod.ts'
import type { ProviderContext } from '../../../domain/workload/pod-manifest.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict, isForbidden, isNotFound } from '../errors.ts'
import { jobs, secrets } from '../resources.ts'

/** How soon it is looked for again, at first and at the most: hubs lay it there right after the GpuRun. */
const firstLookMs = 20
const lastLookMs = 5000

export interface PayloadFetcher {
  /** Empty for a run that has none. What is not what the hub ordered is never given. */
  readonly fetch: (run: GpuRun) => Promise<Payload | Refusal | NotYet>
}

export interface FetcherWorld {
  readonly hub: KubeClient
  readonly clock: Pick<Clock, 'boot'>
  readonly sha256Hex: (text: string) => string
}

export function payloadFetcher({ hub, clock, sha256Hex }: FetcherWorld): PayloadFetcher {
  /** By uid of the GpuRun, on the boot clock: since when it has been looked for. */
  const since = new Map<string, number>()

  async function find({ metadata: { namespace } }: GpuRun, name: string): Promise<Payload | undefined | 'NotThere'> {
    try {
      const secret = await hub.get(secrets, { namespace, name })
      return secret ? opened(secret.data) : 'NotThere'
    } catch (error) {
      // A hub of an earlier version gives its agents no right to read Secrets: none is there.
      if (isForbidden(error)) return 'NotThere'
      throw error
    }
  }

  return {
    fetch: async (run) => {
      const { uid } = run.metadata
      const { payload: ordered, bindTimeoutSeconds } = run.spec
      if (!ordered) return []
      const found = await find(run, ordered.name)
      const isRight = found !== 'NotThere' && found && sha256Hex(canonicalText(found)) === ordered.sha256
      if (isRight) {
        since.delete(uid)
        return found
      }
      const began = since.get(uid) ?? clock.boot()
      since.set(uid, began)
      const waited = clock.boot() - began
      // Also what is wrong may be mended: what an earlier GpuRun of this name left there.
      if (waited < bindTimeoutSeconds * 1000) return { recheckMs: Math.min(Math.max(waited, firstLookMs), lastLookMs) }
      since.delete(uid)
      const where = `Secret ${run.metadata.namespace}/${ordered.name} on the hub`
      return found === 'NotThere'
        ? { reason: 'PayloadMissing', message: `${where} did not come within ${bindTimeoutSeconds} s` }
        : { reason: 'PayloadMismatch', message: `${where} is not what the run was ordered with` }
    },
  }
}

/** A template and what its pods need beside it. */
export interface Supplied {
  readonly template: PodTemplate
  /** `undefined`: it needs no Secrets. */
  readonly with: { readonly names: SecretNames; readonly provided: Provided } | undefined
}

export interface Supplying {
  readonly payload: Payload
  /** What its Secrets are called, where it needs any. */
  readonly name: string
  readonly sha256Hex: (text: string) => string
}

export function supplied(template: PodTemplate, { payload, name, sha256Hex }: Supplying): Supplied | Refusal {
  // Also without a payload: a name of a Secret that nobody sent would find another one on the provider.
  if (payloadSources(template).length === 0) return { template, with: undefined }
  const names = secretNames(name)
  const made = provided(template, { payload, names, sha256Hex })
  if ('reason' in made) return { reason: 'Invalid', message: `spec.payload: ${made.message}` }
  const needsAny = Object.keys(made.data).length > 0 || made.pull !== undefined
  return { template: made.template, with: needsAny ? { names, provided: made } : undefined }
}

export interface Released {
  readonly run: GpuRun
  readonly context: ProviderContext
  readonly owned: OwnedSecrets
}

/** Makes the Secrets of a Job that is suspended until they are there, and lets it go. */
export async function makeSecrets(provider: KubeClient, { run, context, owned }: Released): Promise<void> {
  for (const manifest of secretManifests(run, owned, context)) await makeSecret(provider, manifest)
  const ref = { namespace: context.namespace, name: run.metadata.name }
  try {
    await provider.mergePatch(jobs, { ref, patch: { metadata: { uid: owned.jobUid }, spec: { suspend: false } } })
  } catch (error) {
    // It is gone, or another is in its place: the watch tells.
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
}

/** Whoever has this name is an earlier try of ours: it cannot be guessed, and no pod uses it yet. */
async function makeSecret(provider: KubeClient, manifest: SecretManifest): Promise<void> {
  try {
    await provider.create(secrets, manifest)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    await provider.delete(secrets, manifest.metadata)
    await provider.create(secrets, manifest)
  }
}

export async function removeSecrets(provider: KubeClient, namespace: string, name: string): Promise<void> {
  for (const one of Object.values(secretNames(name))) await provider.delete(secrets, { namespace, name: one })
}
