// kubectl gpu replay <file>: the decisions that the engine takes on a snapshot.
import { readFile, stat } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { toMillis } from '../../api/time.ts'
import type { Choice } from '../../domain/scheduling/facts.ts'
import { type Replay, replay } from '../../domain/scheduling/replay.ts'
import { readSnapshot } from '../snapshot-file.ts'
import type { Answer } from './output.ts'
import { queuesOf } from './policy.ts'
import { WrongUse } from './wrong-use.ts'

/** A text cannot be longer in this language. */
const mostBytes = 500 * 2 ** 20

/** @param policy a file of GpuQueues, in place of those in the snapshot */
export async function replayFile(file: string, policy?: string): Promise<Answer> {
  const queues = policy === undefined ? undefined : await queuesOf(policy)
  try {
    const { snapshot, takenAt } = readSnapshot(await textOf(file))
    return said(replay(queues ? { ...snapshot, queues } : snapshot, toMillis(takenAt)))
  } catch (error) {
    throw new WrongUse(`reading snapshot ${file}: ${(error as Error).message}`, { cause: error })
  }
}

async function textOf(file: string): Promise<string> {
  const { size } = await stat(file)
  if (size > mostBytes) throw new Error(`it has ${size} bytes, and ${mostBytes} are the most`)
  const bytes = await readFile(file)
  const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b
  return (isZipped ? gunzipSync(bytes, { maxOutputLength: mostBytes }) : bytes).toString('utf8')
}

function said(outcome: Replay): Answer {
  const { decisions, waiting } = outcome
  const lines = [
    ...decisions.map(lineOf),
    ...waiting.map(({ key, run, verdict, reasons }) => {
      const why = reasons.map(({ reason, count }) => `${reason} (${count})`).join(', ')
      return `${key} run ${run}: ${verdict === 'NeverFits' ? 'never fits' : 'waits'}${why ? `: ${why}` : ''}`
    }),
  ]
  return { value: outcome, text: lines.length === 0 ? 'no job waits' : lines.join('\n') }
}

/** `ml/train run 2: acme, n1×4, n2×4` */
function lineOf({ key, run, provider, nodes, ...rest }: Choice): string {
  const preempted = 'preempts' in rest && Array.isArray(rest.preempts) ? rest.preempts.length : 0
  const where = nodes.map(({ name, workers }) => `${name}×${workers}`).join(', ')
  return `${key} run ${run}: ${provider}, ${where}${preempted > 0 ? `, ends ${preempted} runs first` : ''}`
}
