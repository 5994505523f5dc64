import {
  COMPLAINT_SUFFIX,
  type Complaint,
  type JoinRequest,
  type JoinRequestStatus,
} from '../../operator/src/api/joinrequest.ts'
import { BEGINNING, objectMeta } from './meta.ts'

export interface JoinRequestOptions {
  readonly createdAt?: string
  readonly status?: JoinRequestStatus
  readonly complaint?: Complaint
}

/** Of the invite `abcdefghij` to `acme`. */
export function joinRequest({ createdAt = BEGINNING, status, complaint }: JoinRequestOptions = {}): JoinRequest {
  const name = complaint === undefined ? 'abcdefghij' : `abcdefghij${COMPLAINT_SUFFIX}`
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'JoinRequest',
    metadata: objectMeta(name, { namespace: 'provider-acme', creationTimestamp: createdAt }),
    spec: { publicKey: 'A'.repeat(43), agentVersion: '0.1.0', ...(complaint ? { complaint } : {}) },
    ...(status ? { status } : {}),
  }
}
