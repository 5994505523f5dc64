// Who gets a snapshot of the engine: whose token the API server knows, and whom its RBAC lets get /debug/snapshot.
import { z } from 'zod'
import { toTime } from '../../../api/time.ts'
import type { Clock } from '../../../controllers/clock.ts'
import type { Engine } from '../../../domain/scheduling/engine.ts'
import type { Admission, SnapshotSource } from '../../http/server.ts'
import { SNAPSHOT_PATH } from '../../http/snapshot-path.ts'
import { snapshotPieces } from '../../snapshot-file.ts'
import type { KubeClient } from '../client.ts'
import { SNAPSHOT_AUDIENCE } from './rights.ts'

interface Source {
  readonly engine: Pick<Engine, 'snapshot'>
  readonly clock: Pick<Clock, 'now'>
}

export function snapshotSource(client: Pick<KubeClient, 'request'>, { engine, clock }: Source): SnapshotSource {
  return {
    admit: (token) => admit(client, token),
    pieces: () => snapshotPieces(engine.snapshot(), toTime(clock.now())),
  }
}

const user = z.looseObject({
  username: z.string().optional(),
  uid: z.string().optional(),
  groups: z.array(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
})
const known = z.looseObject({
  status: z.looseObject({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    user: user.optional(),
  }),
})
const allowed = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) })

async function admit(client: Pick<KubeClient, 'request'>, token: string | undefined): Promise<Admission> {
  if (token === undefined) return 'Unknown'
  const review = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [SNAPSHOT_AUDIENCE] },
    },
  })
  const { status } = known.parse(review)
  // An authenticator that knows no audiences names none: its tokens are good for the API server, and for nobody else.
  if (!status.authenticated || !status.user?.username || !status.audiences?.includes(SNAPSHOT_AUDIENCE))
    return 'Unknown'
  const { username, ...rest } = status.user
  const access = await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, ...rest, nonResourceAttributes: { path: SNAPSHOT_PATH, verb: 'get' } },
    },
  })
  return allowed.parse(access).status.allowed ? 'Admitted' : 'Forbidden'
}
