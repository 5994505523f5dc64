// What the agent waits for, in the one sentence that /readyz has: the first of all that is not as it should be.
import { ACCEPT_HUB_ANNOTATION } from '../../../api/labels.ts'
import type { Distrust } from '../../../controllers/agent/hub-trust.ts'
import { whatChanged } from '../../../domain/lifecycle/hub-identity.ts'
import { memoryName } from './memory.ts'

export interface ReadinessOptions {
  readonly provider: string
  /** The agent's own on its cluster. */
  readonly namespace: string
  readonly waitsFor: (what: string | undefined) => void
  readonly warn: (what: string) => void
  readonly setHolding: (holding: boolean) => void
  readonly setHubChanged: (change: string | undefined) => void
}

export interface AgentReadiness {
  /** Whom the agent cannot do without to be let in by the hub. */
  readonly waitsForHub: (what: string | undefined) => void
  /** Whether the hub takes our heartbeat. */
  readonly heard: (is: boolean) => void
  /** Whether another agent works and this one is ready to take over. */
  readonly standsBy: (is: boolean) => void
  readonly hubChanged: (distrust: Distrust | undefined) => void
  /** Whether all that is to be known is known. */
  readonly filled: (is: boolean) => void
}

export function agentReadiness(options: ReadinessOptions): AgentReadiness {
  const { waitsFor, warn, setHolding, setHubChanged } = options
  let isHeard = false
  let isStandBy = false
  let isFilled = false
  let distrust: string | undefined
  let credential: string | undefined
  let said: string | undefined

  function say(): void {
    const lists = isFilled ? undefined : 'the lists of runs, nodes, pods and Jobs'
    const silence = isStandBy ? undefined : 'the hub, which takes no heartbeat of this agent'
    const now = credential ?? distrust ?? (isHeard ? lists : silence)
    if (now === said) return
    said = now
    waitsFor(now)
  }

  say()
  return {
    waitsForHub: (what) => {
      credential = what
      say()
    },
    heard: (is) => {
      isHeard = is
      isStandBy = false
      setHolding(is)
      say()
    },
    standsBy: (is) => {
      isStandBy = is
      say()
    },
    filled: (is) => {
      isFilled = is
      say()
    },
    hubChanged: (told) => {
      distrust = told && wayBack(told, options)
      if (distrust !== undefined) warn(distrust)
      setHubChanged(told?.change)
      say()
    },
  }
}

function wayBack(
  { change, fingerprint }: Distrust,
  { provider, namespace }: Pick<ReadinessOptions, 'provider' | 'namespace'>,
): string {
  const held = `the hub as it was: HubChanged/${change}, ${whatChanged[change]}; until then nothing is begun and nothing is deleted`
  if (change === 'LeaseGone') return held
  const command = `kubectl -n ${namespace} annotate lease ${memoryName(provider)} ${ACCEPT_HUB_ANNOTATION}=${fingerprint} --overwrite`
  return `${held}; to accept what the hub is now: ${command}`
}
