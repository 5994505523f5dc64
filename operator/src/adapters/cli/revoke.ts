// kubectl gpu revoke|leave <provider>: its agent is shut out at once; or it ends its work first and is removed.
import type { GpuJob } from '../../api/gpujob.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import { pause, type Timers } from '../../controllers/clock.ts'
import { condition } from '../../domain/lifecycle/claims.ts'
import { outcomeOf, providerNamespace } from '../../domain/lifecycle/gpurun.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { endCredentials } from '../kubernetes/hub/provider-home.ts'
import { gpuJobs, gpuRuns, providers } from '../kubernetes/kinds.ts'
import { namespaces } from '../kubernetes/resources.ts'
import { type Change, readPages } from '../kubernetes/snapshot.ts'
import { setIntake } from './intake.ts'
import type { Answer } from './output.ts'

export interface Revoking {
  readonly client: KubeClient
  readonly timers: Timers
  readonly signal: AbortSignal
}

/** The hub does the same; this does not wait for one. */
export async function revoke({ client }: Pick<Revoking, 'client'>, provider: string): Promise<Answer> {
  await setIntake(client, provider, 'Revoked')
  const invites = await endCredentials(client, providerNamespace(provider))
  return {
    value: { provider, intake: 'Revoked', invites },
    text: `Provider ${provider} is shut out: within 15 s its agent is refused everything. What runs there goes on until its owner ends it; its jobs say ProviderRevoked`,
  }
}

export interface LeaveOptions {
  /** How long its runs may take to end. */
  readonly seconds: number
}

const lookMs = 2000

/** Throws where something still runs when the time is over; then it takes no new work, and nothing else has changed. */
export async function leave(leaving: Revoking, provider: string, { seconds }: LeaveOptions): Promise<Answer> {
  const { client, timers, signal } = leaving
  await setIntake(client, provider, 'Cordoned')
  const namespace = providerNamespace(provider)
  const live = async () => {
    const names: string[] = []
    const take = ({ object }: Change<GpuRun>) => {
      if (outcomeOf(object) === undefined) names.push(object.metadata.name)
    }
    await readPages({ client, resource: gpuRuns, selection: { namespace }, take }, signal)
    // A run that is over is not all: its job may have to hear of it, and what is recorded may have no run yet.
    const takeJob = ({ object: { metadata, status } }: Change<GpuJob>) => {
      if (status?.placement?.provider === provider && status.finishedAt === undefined) {
        names.push(`${metadata.namespace}/${metadata.name}`)
      }
    }
    await readPages({ client, resource: gpuJobs, selection: {}, take: takeJob }, signal)
    return names
  }
  await untilCordoned(leaving, provider)
  // Twice: what was chosen in the moment before may be recorded in this one.
  for (let waitedMs = 0, quietLooks = 0; quietLooks < 2; waitedMs += lookMs) {
    if (waitedMs > 0) await pause(lookMs, { timers, signal })
    signal.throwIfAborted()
    const left = await live()
    quietLooks = left.length === 0 ? quietLooks + 1 : 0
    if (left.length > 0 && waitedMs >= seconds * 1000) {
      const some = `${left.slice(0, 5).join(', ')}${left.length > 5 ? ` and ${left.length - 5} more` : ''}`
      throw new Error(
        `after ${seconds} s ${provider} still runs ${some}; it takes no new work. Call it again, or revoke it`,
      )
    }
  }
  await revoke(leaving, provider)
  // In this order a second try finds what a first one has left.
  await client.delete(namespaces, { name: namespace })
  await client.delete(providers, { name: provider })
  return {
    value: { provider, removed: true },
    text: `Provider ${provider} has left: nothing ran there any more, and it is removed`,
  }
}

const cordonedTries = 30

/** What its engine had chosen before is recorded by then: only the hub can say so. */
async function untilCordoned({ client, timers, signal }: Revoking, provider: string): Promise<void> {
  for (let tries = 0; tries < cordonedTries; tries++) {
    const { metadata, status } = (await client.get(providers, { name: provider })) ?? {}
    const ready = condition(status?.conditions, 'Ready')
    const isSeen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
    if (isSeen && ready?.status !== 'True') return
    await pause(lookMs, { timers, signal })
    signal.throwIfAborted()
  }
  throw new Error(`no hub says that ${provider} takes no new work; is one running?`)
}
