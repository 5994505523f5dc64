import type { KubeClient } from './client.ts'
import type { ReflectOptions } from './reflector.ts'

/** What all reflectors of one cluster share. */
export interface ReflectorContext
  extends Pick<ReflectOptions<never, never>, 'clock' | 'timers' | 'random' | 'signal' | 'onError' | 'onSetBack'> {
  readonly client: KubeClient
}
