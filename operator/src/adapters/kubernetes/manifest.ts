// What is applied by hand or by a chart before our programs run.

export interface Account {
  readonly namespace: string
  /** Of the ServiceAccount. */
  readonly name: string
}

export type Manifest = { readonly apiVersion: string; readonly kind: string; readonly metadata: object }
