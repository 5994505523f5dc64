// What is kept of an object on arrival: the fields that the code uses, and none of the rest.
import type { ObjectMeta } from '../../api/meta.ts'

interface Whole<Spec, Status> {
  readonly apiVersion: 'gpucommons.io/v1alpha1'
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly spec: Spec
  readonly status?: Status
}

/** Annotations and managed fields can be larger than all the rest; nobody needs them, but whether there are some. */
export function withoutBallast<T extends Whole<unknown, unknown>>(object: T): T {
  const { apiVersion, kind, metadata, spec, status } = object
  return { apiVersion, kind, metadata: keptMeta(metadata), spec, ...(status === undefined ? {} : { status }) } as T
}

function keptMeta(meta: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, labels } = meta
  return {
    name,
    uid,
    resourceVersion,
    creationTimestamp,
    ...(namespace === undefined ? {} : { namespace }),
    ...(generation === undefined ? {} : { generation }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(labels === undefined ? {} : { labels }),
    ...(isCut(meta) ? { isCut: true as const } : {}),
  }
}

/** What the API server keeps in `managedFields` is its own; the rest of it somebody wrote. */
function isCut(meta: ObjectMeta & { readonly finalizers?: readonly string[] }): boolean {
  const { annotations, ownerReferences, finalizers } = meta
  return [Object.keys(annotations ?? {}), ownerReferences ?? [], finalizers ?? []].some(({ length }) => length > 0)
}
