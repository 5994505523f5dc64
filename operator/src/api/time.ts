// Times as the Kubernetes API writes them.

/** RFC 3339 in whole seconds, as metav1.Time; `ms` is wall time since 1970. */
export function toTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** RFC 3339 with six fraction digits, as metav1.MicroTime (a Lease with fewer is refused). */
export function toMicroTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}

/** Milliseconds since 1970; NaN for a text that is no time. */
export function toMillis(time: string): number {
  return Date.parse(time)
}
