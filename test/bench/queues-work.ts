// What the programs of the bench of queues have done so far: writes by what was written, CPU by program.
import type { ControlPlane } from '../bed/control-plane.ts'
import type { Program } from '../bed/program.ts'
import { spentBy } from '../federation/program-cost.ts'

export interface Work {
  /** `PATCH gpujobs/status 200`: how often. */
  readonly writes: Readonly<Record<string, number>>
  readonly cpuMs: Readonly<Record<string, number>>
}

const isRead: ReadonlySet<string> = new Set(['GET', 'LIST', 'WATCH', 'CONNECT'])

/** @param hub where one runs */
export async function workOf({ ask, etcdUrl }: ControlPlane, hub?: Pick<Program, 'pid'>): Promise<Work> {
  const server = String((await ask('/metrics')).body)
  const etcd = await (await fetch(`${etcdUrl}/metrics`)).text()
  const bench = process.cpuUsage()
  return {
    writes: writesIn(server),
    cpuMs: {
      server: cpuMsIn(server),
      etcd: cpuMsIn(etcd),
      ...(hub && { hub: (await spentBy(hub.pid)).cpuMs }),
      bench: (bench.user + bench.system) / 1000,
    },
  }
}

function writesIn(metrics: string): Record<string, number> {
  const writes: Record<string, number> = {}
  for (const [, labels = '', count] of metrics.matchAll(/^apiserver_request_total[{]([^}]*)[}] (\S+)$/gm)) {
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? ''
    const [verb, subresource] = [label('verb'), label('subresource')]
    if (isRead.has(verb)) continue
    const name = `${verb} ${label('resource')}${subresource && `/${subresource}`} ${label('code')}`
    writes[name] = (writes[name] ?? 0) + Number(count)
  }
  return writes
}

function cpuMsIn(metrics: string): number {
  return 1000 * Number(/^process_cpu_seconds_total (\S+)$/m.exec(metrics)?.[1])
}
