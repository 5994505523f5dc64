import { z } from 'zod'
import { instant, reason } from './fields.ts'

/** What the API server returns cannot be changed in place: a change is a new object. Absent fields are absent, never undefined. */
export type DeepReadonly<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : { readonly [Key in keyof T]: DeepReadonly<Exclude<T[Key], undefined>> }

/** The part of metav1.ObjectMeta that the code reads. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  /** Ours, of an object in a cache: there is more metadata that somebody wrote, and it was left out. */
  readonly isCut?: true
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean | undefined
  readonly blockOwnerDeletion?: boolean | undefined
}

/** metav1.Condition: one thing that is true, false or not known yet of the object. */
export const conditionSchema = z
  .object({
    type: reason().describe('What the condition is about.'),
    status: z.enum(['True', 'False', 'Unknown']),
    reason: reason().describe('Why, in one word. The words are listed on the page of the kind.'),
    message: z.string().max(1024).describe('Why, in one sentence for people.'),
    observedGeneration: z.int().min(0).optional().describe('The generation of the object that this was said of.'),
    lastTransitionTime: instant().describe('When the status last changed.'),
  })
  .describe('One thing that is true, false or not known yet.')

export type Condition = DeepReadonly<z.output<typeof conditionSchema>>

/** The conditions of a status: at most one of each type. */
export const conditionsSchema = z
  .array(conditionSchema)
  .max(16)
  .default([])
  .meta({
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
    description: 'Milestones in the life of the object; Unknown until they are known.',
  })

/** An object of one of our kinds, as the API server returns it. */
export interface KubeObject<Kind extends string, Spec, Status> {
  readonly apiVersion: 'gpucommons.io/v1alpha1'
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly spec: Spec
  readonly status?: Status
}
