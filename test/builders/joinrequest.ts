import type { JoinRequest, JoinRequestStatus } from '../../operator/src/api/joinrequest.ts'
import { BEGINNING, objectMeta } from './meta.ts'

export interface JoinRequestOptions {
  readonly createdAt?: string
  readonly status?: JoinRequestStatus
}

/** Of the invite `abcdefghij` to `acme`. */
export function joinRequest({ createdAt = BEGINNING, status }: JoinRequestOptions = {}): JoinRequest {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'JoinRequest',
    metadata: objectMeta('abcdefghij', { namespace: 'provider-acme', creationTimestamp: createdAt }),
    spec: { publicKey: 'A'.repeat(43), agentVersion: '0.1.0' },
    ...(status ? { status } : {}),
  }
}
