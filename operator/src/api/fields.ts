// The fields that several kinds share. Every one is bounded: the API server prices CEL rules by these maxima.
import { z } from 'zod'

/** A CEL rule of the API server, beside the field that it guards. Write the message so that it reads after the field's path. */
export interface Rule {
  readonly rule: string
  readonly message: string
  readonly fieldPath?: string
  /** `oldSelf` is an optional value, and the rule is evaluated also when the object comes. */
  readonly optionalOldSelf?: true
}

/** Goes into `.meta()` of the schema that the rules guard. */
export function rules(...list: readonly Rule[]): { 'x-kubernetes-validations': readonly Rule[] } {
  return { 'x-kubernetes-validations': list }
}

/** CEL, in a rule of the object that has the field: it is as it was. */
export function unchanged(field: string): string {
  return `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`
}

/**
 * The rule is evaluated only where what it guards comes. For what is fixed from then on: the API server evaluates all rules of an
 * object at each write of its status (operator/decisions/0033).
 */
export function whenItComes({ rule, ...words }: Rule): Rule {
  return { rule: `oldSelf.hasValue() || (${rule})`, ...words, optionalOldSelf: true }
}

/**
 * CEL at the field itself: it is as it was. Only for fields that are always there, by `required` or a default: the rule is not
 * evaluated where the field comes or goes. It spares each write of a status what `unchanged` costs there: the API server
 * lists all fields of the object at each mention of one (operator/decisions/0006).
 */
export function fixedField<S extends z.ZodType>(schema: S, message: string): S {
  const { 'x-kubernetes-validations': before = [], ...meta } = (schema.meta() ?? {}) as Partial<
    ReturnType<typeof rules>
  >
  return schema.meta({ ...meta, ...rules(...before, { rule: 'self == oldSelf', message }) })
}

/** `x-kubernetes-list-type: map`: at most one item for each value of the keys. */
export function listMap(...keys: readonly string[]): Record<string, unknown> {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }
}

/** `x-kubernetes-list-type: set`: no item twice. */
export const listSet = { 'x-kubernetes-list-type': 'set' }

/** `x-kubernetes-list-type: atomic`: changed as one value. */
export const listAtomic = { 'x-kubernetes-list-type': 'atomic' }

/**
 * `x-kubernetes-map-type: atomic`, of an object or a map: changed as one value, by one writer. The API server then names it once
 * in `metadata.managedFields`, not field by field; that was half of each stored job (operator/decisions/0006). No rule within
 * it can look at `oldSelf`; one at the object itself can.
 */
export const atomic = { 'x-kubernetes-map-type': 'atomic' }

/** A point in time, RFC 3339. */
export function instant() {
  return z.string().max(64).meta({ format: 'date-time' })
}

/** One word in CamelCase, as in the reason of a condition. */
export function reason() {
  return z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Z][A-Za-z0-9]*$/)
}

/** A name of lower-case letters, digits and dashes. */
export function dnsLabel(max = 63) {
  return z
    .string()
    .min(1)
    .max(max)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
}

/** The name of a container or a volume in a tenant's template. Those of the agent's own begin with `gpu-commons-`. */
export function partName() {
  return guarded(dnsLabel(), (name) => !name.startsWith('gpu-commons-'), {
    rule: "!self.startsWith('gpu-commons-')",
    message: 'must not begin with gpu-commons-, which is kept for our own',
  })
}

/**
 * A rule on which the safety of an owner hangs: it is also held where an order is read, because the API server of a hub
 * that is not what it seems holds nothing back.
 */
export function guarded<S extends z.ZodType>(
  schema: S,
  holds: (value: z.output<S>) => boolean,
  ...[first, ...more]: readonly [Rule, ...Rule[]]
): S {
  const { 'x-kubernetes-validations': before = [], ...meta } = (schema.meta() ?? {}) as Partial<
    ReturnType<typeof rules>
  >
  return schema.refine((value) => holds(value), first.message).meta({ ...meta, ...rules(...before, first, ...more) })
}

/** A letter comes first because Services get names made of it. */
const KIND_NAME = '^[a-z]([-a-z0-9]*[a-z0-9])?$'

/** What a name in `nameRule` must be, for people. */
export function nameWords(max: number): string {
  return `a letter, then letters, digits and dashes (all lower case), of at most ${max} characters in all`
}

/** For the root of a kind. */
export function nameRule(max: number) {
  return rules({
    rule: `size(self.metadata.name) <= ${max} && self.metadata.name.matches('${KIND_NAME}')`,
    message: `metadata.name must be ${nameWords(max)}`,
  })
}

/** The name of an object with that rule, where it is given by itself. */
export function kindName(max: number) {
  return z.string().max(max).regex(new RegExp(KIND_NAME))
}

const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const DNS_NAME = `${DNS_LABEL}([.]${DNS_LABEL})*`

/** The name of a Kubernetes object such as a node or a Secret: labels joined by dots. */
export function objectName() {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(new RegExp(`^${DNS_NAME}$`))
}

/** A pattern: the key of a label or a taint. That what stands before the slash has at most 253 characters it cannot say. */
export const LABEL_KEY = `(${DNS_NAME}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`

/** The value of a label or a taint. */
export function labelValue() {
  return z
    .string()
    .max(63)
    .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/)
}

/** The key of a ConfigMap or a Secret: `..` and what begins with it are kept by Kubernetes. */
export function contentKey() {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(/^([-_a-zA-Z0-9][-._a-zA-Z0-9]*|[.][-_a-zA-Z0-9][-._a-zA-Z0-9]*)$/)
}

export function uid() {
  return z.string().min(1).max(64)
}

/** In hexadecimal. */
export function sha256() {
  return z
    .string()
    .max(64)
    .regex(/^[0-9a-f]{64}$/)
}

/** Money as people write it. A string: YAML would make a float of it. */
export function price() {
  return z
    .string()
    .max(12)
    .regex(/^[0-9]{1,6}(\.[0-9]{1,4})?$/)
}

/** The canonical name of a GPU model, such as `H100` or `RTX4090`. */
export function gpuModel() {
  return z
    .string()
    .max(63)
    .regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/)
}

/** A number or a string, as Kubernetes writes quantities and ports. The generator turns it into `x-kubernetes-int-or-string`. */
export function intOrString(maxLength: number) {
  return z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true, maxLength })
}

const QUANTITY = '^[0-9]{1,15}([.][0-9]{1,9})?([numkMGTPE]|[KMGTPE]i|[eE][0-9]{1,2})?$'
const NO_QUANTITY = 'must be a quantity such as 500m, 2 or 16Gi'

/** Above this, sums in bytes would no longer be whole numbers in JavaScript. */
const MOST_BYTES = '1Pi'

/** An amount such as `500m`, `2` or `16Gi`: never negative, never more than 1Pi. */
export function quantity() {
  return intOrString(32).meta(
    rules(
      { rule: `type(self) == int ? self >= 0 : self.matches('${QUANTITY}')`, message: NO_QUANTITY },
      {
        rule: `type(self) == int ? self <= ${2 ** 50} : !isQuantity(self) || quantity(self).compareTo(quantity('${MOST_BYTES}')) <= 0`,
        message: `must not be more than ${MOST_BYTES}`,
      },
    ),
  )
}

/** A quantity that a program wrote: always a string. */
export function writtenQuantity(most = MOST_BYTES) {
  return z
    .string()
    .min(1)
    .max(32)
    .meta(
      rules(
        { rule: `self.matches('${QUANTITY}')`, message: NO_QUANTITY },
        {
          rule: `!isQuantity(self) || quantity(self).compareTo(quantity('${most}')) <= 0`,
          message: `must not be more than ${most}`,
        },
      ),
    )
}

/** Labels or a selector. Keys are bounded by the rule, for a schema cannot say it of a map. */
export function labelMap(max: number) {
  return z.record(z.string(), labelValue()).meta({
    maxProperties: max,
    ...rules({
      rule: "self.all(key, key.matches('^([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
      message: 'has a key that is not a label key',
    }),
  })
}
