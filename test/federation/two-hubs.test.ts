// Two hubs that both lead, because each has a lease of its own, and one of them learns of everything ten seconds late. They
// may promise a GPU twice; they may never run a job twice. It is counted on the API servers.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { HUB_LEASE, HUB_ROLE, hubNamespaceRules } from '../../operator/src/adapters/kubernetes/hub/rights.ts'
import { type FaultProxy, startFaultProxy } from '../bed/fault-proxy.ts'
import type { Federation } from '../bed/federation.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { hubOptions, type Operator, type OperatorOptions, startOperator } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { jobsOf, leftOvers, notCleaned, untilClean, untilEnded, wrongEnds } from '../chaos/aftermath.ts'
import { listen } from '../chaos/journal.ts'
import { type ChaosPlan, chaosPlan } from '../chaos/plan.ts'
import { Promises } from '../chaos/promises.ts'
import { Tenants } from '../chaos/tenant.ts'
import { Witness } from '../chaos/witness.ts'
import { whileFrozen } from './freeze.ts'
import { deleteJobs } from './order.ts'
import { keepLedger, type PodLedger } from './pod-ledger.ts'
import { makeNamespace, openStage, type Stage } from './stage.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000))
const namespace = 'two-hubs'
const lagMs = 10_000
const gpusOfNode = 8
/** They come faster than the GPUs can take them, so that some wait for longer than the lag. */
const jobCount = 200
const batches = 25
const batchMs = 1500

/** Finds the second hub's lease where the first one's is not. */
const secondNamespace = 'gpu-commons-second'

let stage: Stage
let lagging: Program
let proxy: FaultProxy
const parts = new AsyncDisposableStack()
const witness = new Witness(namespace)
const promises = new Promises(gpusOfNode)
const ledgers: PodLedger[] = []
let wrong: readonly string[] = []
let left: readonly string[] = []
const figures: Record<string, number> = { seed }

beforeAll(async () => {
  const plan = newestFirst(chaosPlan({ seed, jobs: jobCount, kills: batches, providers: [] }))
  stage = parts.use(
    await openStage({
      name: 'two-hubs',
      providers: 3,
      nodes: (provider) => [gpuNode({ name: `${provider}-1`, card: 'H100', gpus: gpusOfNode })],
      namespaces: [namespace],
      hubArgs: ['--tombstone-seconds', '5'],
      operate: startBoth,
    }),
  )
  for (const side of stage.sides.values()) ledgers.push(keepLedger(side))
  stage.runs.onChange((seen) => promises.see(seen))
  listen(stage, { witness, namespace, journal: () => {} })

  const tenants = new Tenants(stage, { plan, namespace, journal: () => {} })
  const ended = come(tenants).then(() => untilEnded(stage, { witness, plan, namespace }))
  await Promise.all([ended, stumble(stage.operator.hub, ended)])
  const kept = jobsOf(stage, namespace)
  wrong = wrongEnds(kept, plan, ['Succeeded', 'Failed', 'Stopped', 'Rejected'])
  await deleteJobs(stage.ask, kept)
  await untilClean(stage, { witness, namespace })
  left = [...(await leftOvers(stage, namespace)), ...notCleaned(witness)]
  await count()
}, 900_000)

afterAll(async () => {
  await parts[Symbol.asyncDispose]()
  process.stdout.write(`${JSON.stringify({ suite: 'two-hubs', ...figures, runs: witness.outcomes() })}\n`)
}, 30_000)

/** The second one is another process with a lease in another namespace, behind a proxy that holds watches back. */
async function startBoth(federation: Federation, options: OperatorOptions): Promise<Operator> {
  const { hub, dir } = federation
  const operator = parts.use(await startOperator(federation, options))
  proxy = parts.use(await startFaultProxy(hub))
  proxy.set([{ kind: 'watch', do: 'delayBytes', ms: lagMs }])
  await grantLease(federation)
  const hubArgs = [...(options.hubArgs ?? []), '--namespace', secondNamespace]
  const route: OperatorOptions['route'] = (_, kubeconfig) =>
    proxy.kubeconfig(kubeconfig, join(dir, 'lagging.kubeconfig'))
  const late = await hubOptions(federation, { hubArgs, route })
  lagging = parts.use(await startProgram({ ...late, dir, name: 'lagging-hub', readySeconds: 120 }))
  return operator
}

/**
 * Of jobs that are alike both hubs take the one that came first, and the one that is in step would always be faster. So it
 * gets jobs to prefer that the other one has not heard of: that one turns to those that still wait.
 */
function newestFirst(plan: ChaosPlan): ChaosPlan {
  const jobs = plan.jobs.map((job, index) => {
    const spec = { ...job.order.spec, priority: job.batch, bindTimeoutSeconds: index % 2 === 0 ? 10 : 60 }
    return { ...job, order: { ...job.order, spec } }
  })
  return { ...plan, jobs }
}

async function come(tenants: Tenants): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    tenants.hear(batch, 'Ready')
    await sleep(batchMs)
  }
  await tenants.done()
}

/** The hub that is in step stands still now and then, too short to lose its lease, and goes on with an old picture. */
async function stumble(hub: Program, ended: Promise<void>): Promise<void> {
  const stop = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined)
  void ended.catch(() => undefined).finally(() => stop.abort())
  while (!stop.signal.aborted) {
    await pause(5000)
    await whileFrozen(hub, () => pause(3000))
  }
}

async function grantLease({ hub }: Federation): Promise<void> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${secondNamespace}`
  const metadata = { name: HUB_ROLE }
  await makeNamespace(hub.ask, secondNamespace)
  const subjects = [{ kind: 'ServiceAccount', name: 'hub', namespace: 'gpu-commons' }]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: HUB_ROLE }
  const made = [
    await hub.ask(`${rbac}/roles`, { method: 'POST', body: { metadata, rules: hubNamespaceRules } }),
    await hub.ask(`${rbac}/rolebindings`, { method: 'POST', body: { metadata, subjects, roleRef } }),
  ]
  expect(made.map(({ status }) => status)).toEqual([201, 201])
}

async function count(): Promise<void> {
  const metric = async (program: Program, pattern: RegExp) => {
    const text = await (await fetch(`${program.url}/metrics`)).text()
    return text.split('\n').reduce((sum, line) => (pattern.test(line) ? sum + Number(line.split(' ').at(-1)) : sum), 0)
  }
  const recorded = /^gpucommons_condition_transitions_total\{.*reason="Recorded"/
  const unscheduled = ledgers.flatMap(({ pods }) =>
    [...pods.values()].filter(({ unschedulableMs }) => unschedulableMs > 0),
  )
  Object.assign(figures, {
    jobs: witness.jobs.size,
    leadingHubs:
      (await metric(stage.operator.hub, /^gpucommons_leading /)) + (await metric(lagging, /^gpucommons_leading /)),
    recordsOfFirst: await metric(stage.operator.hub, recorded),
    recordsOfLagging: await metric(lagging, recorded),
    overPromisedRuns: promises.overPromised,
    rejectedRuns: witness.outcomes()['Rejected'] ?? 0,
    podsThatWaitedForRoom: unscheduled.length,
  })
}

describe(`two hubs, one of them ten seconds behind, with SEED=${seed}`, () => {
  test(`both lead, by the lease ${HUB_LEASE} of two namespaces, and both place jobs`, () => {
    expect(figures).toMatchObject({ jobs: jobCount, leadingHubs: 2 })
    expect(figures['recordsOfFirst']).toBeGreaterThan(0)
    expect(figures['recordsOfLagging']).toBeGreaterThan(0)
  })

  test('no job has two live runs, ends twice, or is taken down for nothing', () => {
    expect(witness.breaches()).toEqual([])
  })

  test('what was promised twice heals: every job ends as it must, and every GPU is free again', () => {
    expect(wrong).toEqual([])
    expect(promises.most).toBe(0)
  })

  test('nothing is left of them', () => {
    expect(left).toEqual([])
  })
})
