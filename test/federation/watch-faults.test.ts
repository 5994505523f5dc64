// A steady stream of jobs while networks and API servers fail in every way that we know. What must hold is counted on the
// API servers themselves: every job ends once, by one pod.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { type FaultProxy, type Rule, startFaultProxy } from '../bed/fault-proxy.ts'
import type { Federation } from '../bed/federation.ts'
import type { OperatorOptions } from '../bed/operator.ts'
import { type SupervisedOperator, superviseOperator } from '../chaos/operator.ts'
import { countBy, printFigures, secondsSince } from './figures.ts'
import { createJob } from './order.ts'
import { keepLedger, type PodLedger } from './pod-ledger.ts'
import { openStage, type Stage } from './stage.ts'

const namespace = 'faults'
/** Between two jobs. */
const beatMs = 400

let stage: Stage
let operator: SupervisedOperator
const proxies = new Map<string, FaultProxy>()
const ledgers = new Map<string, PodLedger>()
/** By uid of the GpuJob, how often it was seen to finish. */
const endings = new Map<string, number>()
const struck: Record<string, number> = {}
const ordered: string[] = []
const parts = new AsyncDisposableStack()
const enough = new AbortController()

/** Each program's way to each API server leads through a proxy of its own. */
async function operate(federation: Federation, options: OperatorOptions): Promise<SupervisedOperator> {
  operator = await superviseOperator(federation, {
    ...options,
    route: async ({ from, to, provider = '' }, kubeconfig) => {
      const link = from === 'hub' ? 'hub' : `${provider}→${to === federation.hub ? 'hub' : 'own'}`
      const proxy = parts.use(await startFaultProxy(to))
      proxies.set(link, proxy)
      return proxy.kubeconfig(kubeconfig, join(federation.dir, `through-${proxies.size}.kubeconfig`))
    },
  })
  return operator
}

function proxy(link: string): FaultProxy {
  const found = proxies.get(link)
  if (!found) throw new Error(`nobody goes ${link}`)
  return found
}

const all = () => [...proxies.values()]

/** Orders jobs in a fixed beat, whatever happens, until the signal; an API server that is away is asked again. */
async function keepOrdering(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const name = `job-${ordered.length}`
    const { providers } = stage.federation
    // Each provider in turn, so that the faults of each meet work.
    const { region = '' } = providers[ordered.length % providers.length] ?? {}
    const spec = { placement: { providerSelector: { region } } }
    ordered.push(name)
    for (let made = false; !made && !signal.aborted; ) {
      made = await createJob(stage.ask, { namespace, name, spec, simulate: { seconds: '0.3' } }).then(
        () => true,
        (error: unknown) => String(error).includes('AlreadyExists'),
      )
      if (!made) await sleep(100)
    }
    await sleep(beatMs)
  }
}

const finished = (seen: ReadonlyMap<string, GpuJob>) => [...seen.values()].filter(({ status }) => status?.finishedAt)

/**
 * Proof that the federation works again: the next jobs that are ordered end. A watch that is half-open beside no other
 * request is noticed after 75 to 90 s only.
 */
async function untilFlowing(after: string, seconds = 180): Promise<void> {
  const from = ordered.length
  await stage.jobs.until({
    what: `jobs to end again after ${after}`,
    seconds,
    find: (seen) =>
      [0, 1, 2].every((next) => seen.get(`${namespace}/job-${from + next}`)?.status?.finishedAt) || undefined,
    state: () => countBy(stage.jobs.all.values(), ({ status }) => `${status?.state} ${status?.why ?? ''}`),
  })
}

/** Does something to the federation under load, for so long, and waits until all is as it was. */
async function episode(what: string, seconds: number, act: () => unknown): Promise<void> {
  const begun = performance.now()
  const before = all().reduce((sum, one) => sum + one.hits(), 0)
  await act()
  await sleep(seconds * 1000) // The length of the fault; what it leads to is waited for below.
  for (const one of all()) one.set([])
  struck[`${what}Hits`] = all().reduce((sum, one) => sum + one.hits(), 0) - before
  await untilFlowing(what)
  struck[`${what}Seconds`] = secondsSince(begun)
}

function everywhere(...rules: readonly Rule[]): void {
  for (const one of all()) one.set(rules)
}

async function repeatedly(times: number, act: () => number): Promise<void> {
  let hit = 0
  for (let time = 0; time < times; time++) {
    hit += act()
    await sleep(300)
  }
  struck['watchesCut'] = hit
}

beforeAll(async () => {
  stage = parts.use(await openStage({ name: 'watch-faults', providers: 3, nodes: 4, namespaces: [namespace], operate }))
  for (const [name, side] of stage.sides) ledgers.set(name, keepLedger(side))
  const over = new Set<string>()
  stage.jobs.onChange(({ object: { metadata, status } }) => {
    const isOver = status?.finishedAt !== undefined
    if (isOver && !over.has(metadata.uid)) endings.set(metadata.uid, (endings.get(metadata.uid) ?? 0) + 1)
    if (isOver) over.add(metadata.uid)
    else over.delete(metadata.uid)
  })
  const { hub, providers } = stage.federation
  const [acme, borealis, cumulus] = providers
  if (!acme || !borealis || !cumulus) throw new Error('three providers were asked for')

  const ordering = keepOrdering(enough.signal)
  await episode('cut', 0, () =>
    repeatedly(8, () => all().reduce((sum, one) => sum + one.cutOpen({ kind: 'watch' }), 0)),
  )
  await episode('gone', 2, () => {
    everywhere({ do: 'gone', kind: 'watch' })
    for (const one of all()) one.cutOpen({ kind: 'watch' })
  })
  await episode('tooMany', 3, () => {
    everywhere({ do: 'tooMany', retryAfterSeconds: 1, message: 'storage is (re)initializing' })
    for (const one of all()) one.cutOpen({ kind: 'watch' })
  })
  await episode('halfOpen', 3, () => {
    // Each of the three at once, since each takes its time to be noticed; one does not even take new connections.
    proxy('acme→hub').set([{ do: 'freeze' }])
    struck['halfOpen'] = ['hub', 'acme→hub', 'borealis→own'].reduce((sum, link) => sum + proxy(link).freezeOpen(), 0)
  })
  await episode('slow', 20, () => proxy('cumulus→own').set([{ do: 'delayAnswer', ms: 5000 }]))
  await episode('restarts', 0, async () => {
    await acme.controlPlane.restartApiServer()
    await hub.restartApiServer()
  })
  enough.abort()
  await ordering
  await stage.jobs.until({
    what: `${ordered.length} jobs to end`,
    seconds: 120,
    find: (seen) => finished(seen).length === ordered.length || undefined,
    state: () => countBy(stage.jobs.all.values(), ({ status }) => `${status?.state} ${status?.why ?? ''}`),
  })
}, 600_000)

afterAll(async () => {
  enough.abort()
  await parts[Symbol.asyncDispose]()
  const ends = operator?.hubUnderSupervision.endings.length ?? 0
  printFigures('watch-faults', { jobs: ordered.length, hubEndedByItself: ends, ...struck })
}, 60_000)

describe('under watches cut, 410, 429, half-open connections, a slow provider and restarted API servers', () => {
  test('each fault struck', () => {
    for (const what of ['watchesCut', 'goneHits', 'tooManyHits', 'halfOpen', 'slowHits']) {
      expect({ what, times: struck[what] }).toEqual({ what, times: expect.any(Number) })
      expect(struck[what]).toBeGreaterThan(2)
    }
  })

  test('every job succeeds', () => {
    expect(countBy(stage.jobs.all.values(), ({ status }) => status?.state ?? '')).toBe(
      `{"Succeeded":${ordered.length}}`,
    )
  })

  test('and ends once', () => {
    expect(countBy(endings.values(), String)).toBe(`{"1":${ordered.length}}`)
  })

  test('by one pod of one run, by the records of the providers', () => {
    const pods = [...ledgers.values()].flatMap((ledger) => [...ledger.pods.values()])
    const byJob = Map.groupBy(pods, ({ jobUid }) => jobUid)
    expect(countBy(byJob.values(), (some) => `${some.length}`)).toBe(`{"1":${ordered.length}}`)
    expect(stage.runsEver.size).toBe(ordered.length)
  })

  test('no agent gave up', () => {
    const ended = [...operator.agentsUnderSupervision.values()].flatMap(({ name, endings: how }) =>
      how.map((one) => `${name} ${one}`),
    )
    expect(ended).toEqual([])
  })
})
