import { readdirSync, readFileSync } from 'node:fs'

/** Command lines of the programs of this machine that name a folder, this one apart: what a bed in it has left running. */
export function leftRunning(dir: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(commandLine)
    .filter((line) => line.includes(dir))
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return '' // It ended meanwhile.
  }
}
