// Structured logs on standard error, one JSON line each.
import { destination, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

export function logger(name: string, level: string): Logger {
  return pino(
    { name, level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ fd: 2, sync: true }),
  )
}
