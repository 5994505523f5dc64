// kubectl gpu providers: who is there, and how they are.
import type { Provider } from '../../api/provider.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { providers as providerKind } from '../kubernetes/kinds.ts'
import { type Answer, table } from './output.ts'

const pageSize = 500

export async function providers(client: Pick<KubeClient, 'list'>): Promise<Answer> {
  const all: Provider[] = []
  let next: string | undefined
  do {
    const page = await client.list(providerKind, { limit: pageSize, continue: next })
    all.push(...page.items)
    next = page.continue
  } while (next !== undefined)
  const rows = all.map(rowOf)
  const headings = ['NAME', 'READY', 'CONNECTED', 'GPUS', 'NODES', 'REGION', 'INTAKE', 'WHY']
  return {
    value: rows.map(({ why, ...rest }) => ({ ...rest, why })),
    text: table(
      headings,
      rows.map(({ name, ready, connected, gpus, nodes, region, intake, why }) => [
        name,
        ready,
        connected,
        String(gpus),
        String(nodes),
        region,
        intake,
        why,
      ]),
    ),
  }
}

function rowOf({ metadata: { name }, spec, status }: Provider) {
  const of = (type: string) => status?.conditions.find((one) => one.type === type)
  const ready = of('Ready')
  return {
    name,
    ready: ready?.status ?? 'Unknown',
    connected: of('Connected')?.status ?? 'Unknown',
    gpus: status?.inventory?.gpus ?? 0,
    nodes: status?.inventory?.nodes ?? 0,
    region: spec.region ?? '',
    intake: spec.intake,
    why: ready && ready.status !== 'True' ? `${ready.reason}: ${ready.message}` : '',
  }
}
