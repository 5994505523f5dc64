import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'

export interface Spent {
  /** User and system time since it began. */
  readonly cpuMs: number
  readonly memoryMiB: number
}

/** What a program of this machine has used so far. */
export async function spentBy(pid: number): Promise<Spent> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name in brackets may have spaces; after it the 12th and 13th fields are the two times.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const resident = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))
  return { cpuMs: (ticks * 1000) / ticksPerSecond, memoryMiB: Math.round(Number(resident?.[1]) / 1024) }
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
