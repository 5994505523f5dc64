// kubectl gpu providers: who is there, and how they are.
import type { Provider } from '../../api/provider.ts'
import { condition } from '../../domain/lifecycle/claims.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { providers as providerKind } from '../kubernetes/kinds.ts'
import { type Change, readPages } from '../kubernetes/snapshot.ts'
import { type Answer, table } from './output.ts'

const headings = ['NAME', 'READY', 'CONNECTED', 'GPUS', 'NODES', 'REGION', 'INTAKE', 'WHY']

export async function providers(client: KubeClient, signal: AbortSignal): Promise<Answer> {
  const rows: Row[] = []
  const take = ({ object }: Change<Provider>) => void rows.push(rowOf(object))
  await readPages({ client, resource: providerKind, selection: {}, take }, signal)
  return { value: rows, text: table(headings, rows.map(cellsOf)) }
}

type Row = ReturnType<typeof rowOf>

function cellsOf({ name, ready, connected, gpus, nodes, region, intake, why }: Row): string[] {
  return [name, ready, connected, String(gpus), String(nodes), region, intake, why]
}

function rowOf({ metadata: { name }, spec, status }: Provider) {
  const ready = condition(status?.conditions, 'Ready')
  return {
    name,
    ready: ready?.status ?? 'Unknown',
    connected: condition(status?.conditions, 'Connected')?.status ?? 'Unknown',
    gpus: status?.inventory?.gpus ?? 0,
    nodes: status?.inventory?.nodes ?? 0,
    region: spec.region ?? '',
    intake: spec.intake,
    why: ready && ready.status !== 'True' ? `${ready.reason}: ${ready.message}` : '',
  }
}
