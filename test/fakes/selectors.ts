// Label and field selectors as the API server reads them, as far as this code uses them.
import type { Selection } from '../../operator/src/adapters/kubernetes/client.ts'

export interface Selectable {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string | undefined
    readonly labels?: Readonly<Record<string, string>>
  }
}

/** Undefined: the API server would refuse these selectors. */
export function selects(selection: Selection, plural: string): ((object: Selectable) => boolean) | undefined {
  const labels = split(selection.labelSelector, /,(?![^(]*\))/).map(labelRequirement)
  const fields = split(selection.fieldSelector, /,/).map((text) => fieldRequirement(text, plural))
  const all = [...labels, ...fields]
  if (all.includes(undefined)) return undefined
  const { namespace } = selection
  return (object) =>
    (!namespace || object.metadata.namespace === namespace) && all.every((requirement) => requirement?.(object))
}

type Requirement = (object: Selectable) => boolean

function split(text: string | undefined, separator: RegExp): string[] {
  return text ? text.split(separator) : []
}

function labelRequirement(text: string): Requirement | undefined {
  const set = /^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$/.exec(text)
  if (set) {
    const [, key = '', operator, list = ''] = set
    const values = new Set(list.split(',').map((value) => value.trim()))
    return ({ metadata: { labels = {} } }) => values.has(labels[key] ?? '\0') === (operator === 'in')
  }
  const pair = /^\s*([\w./-]+)\s*(==?|!=)\s*([\w.-]*)\s*$/.exec(text)
  if (pair) {
    const [, key = '', operator, value] = pair
    return ({ metadata: { labels = {} } }) => (labels[key] === value) === (operator !== '!=')
  }
  const presence = /^\s*(!?)\s*([\w./-]+)\s*$/.exec(text)
  if (!presence) return undefined
  const [, not, key = ''] = presence
  return ({ metadata: { labels = {} } }) => key in labels === (not === '')
}

/** Which fields a kind can be selected by is the API server's choice. */
const selectableFields: Readonly<Record<string, readonly string[]>> = {
  pods: ['spec.nodeName', 'status.phase'],
  gpujobs: ['status.state'],
  gpuruns: ['status.state'],
  widgets: ['status.phase'],
}

function fieldRequirement(text: string, plural: string): Requirement | undefined {
  const [, field = '', operator, value] = /^\s*([\w.]+)\s*(==?|!=)\s*(\S*)\s*$/.exec(text) ?? []
  const known = ['metadata.name', 'metadata.namespace', ...(selectableFields[plural] ?? [])]
  if (!known.includes(field)) return undefined
  return (object) => (fieldOf(object, field.split('.')) === value) === (operator !== '!=')
}

function fieldOf(object: unknown, path: readonly string[]): unknown {
  return path.reduce((found, part) => (found as Record<string, unknown> | undefined)?.[part], object) ?? ''
}
