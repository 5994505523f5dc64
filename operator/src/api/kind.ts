import type { z } from 'zod'

/** What a CRD says of a kind besides its schema. */
export interface Kind {
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  /** `spec` and, where somebody else writes it, `status`. What Kubernetes itself says of every object is added by the generator. */
  readonly schema: z.ZodObject
  readonly columns: readonly Column[]
  /** Fields by which `--field-selector` selects; only strings, numbers and booleans. Kubernetes 1.30 and older know no such thing. */
  readonly selectable?: readonly string[]
}

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'date'
  readonly jsonPath: string
  readonly description?: string
  /** 0 is always shown, 1 only by `-o wide`. */
  readonly priority?: 0 | 1
}

export const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }
