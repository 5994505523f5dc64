// What the rows of the contract work with.
import type { KubeClient, KubeObject, Resource } from '../../operator/src/adapters/kubernetes/client.ts'
import type { Metadata } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { Clock, Timers } from '../../operator/src/controllers/clock.ts'

export interface ContractServer extends AsyncDisposable {
  readonly client: KubeClient
  readonly clientWith: (options: { readonly beforeWrite: () => void }) => Promise<KubeClient>
  readonly clock: Clock
  readonly timers: Timers
  /** Lets this much time go by. */
  readonly pass: (ms: number) => Promise<void>
  /** Breaks open watches off, and forgets the history from which they could be resumed. */
  readonly forget: () => Promise<void>
}

/** What the rows work with, all of it in a namespace of their own. */
export interface Bench {
  readonly server: ContractServer
  readonly client: KubeClient
  readonly namespace: string
}

export interface Widget extends KubeObject {
  readonly metadata: Metadata
  readonly spec: {
    readonly size?: number
    readonly colour?: string
    readonly parts?: readonly string[]
    readonly options?: Readonly<Record<string, string>>
  }
  readonly status?: { readonly phase?: string; readonly seen?: number }
}

/** A kind of the suite's own: structural, namespaced, with status as a subresource. */
export const widgets: Resource<Widget> = {
  apiVersion: 'contract.gpucommons.io/v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
}

export const widgetCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.contract.gpucommons.io' },
  spec: {
    group: 'contract.gpucommons.io',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        selectableFields: [{ jsonPath: '.status.phase' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  size: { type: 'integer' },
                  colour: { type: 'string' },
                  parts: { type: 'array', items: { type: 'string' } },
                  options: { type: 'object', additionalProperties: { type: 'string' } },
                },
              },
              status: { type: 'object', properties: { phase: { type: 'string' }, seen: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
}

/** Looks again and again until what it looks for is there; fails with what it last saw missing. */
export async function eventually<T>(
  server: ContractServer,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  for (let tries = 0; tries < 1600; tries++) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await server.pass(50)
  }
  throw new Error(`this did not come about: ${look.toString()}`)
}

/** What a promise was rejected with; fails when it was not. */
export async function refusal(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('this was not refused')
}
