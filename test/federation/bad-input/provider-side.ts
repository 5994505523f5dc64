// What becomes of a job on a provider, asked of an API server that keeps nothing of it.
import { type GpuJobSpec, gpuJobSpecSchema } from '../../../operator/src/api/gpujob.ts'
import { noRules } from '../../../operator/src/api/owner-rules.ts'
import { jobManifest } from '../../../operator/src/domain/workload/job-manifest.ts'
import { priorityClassName } from '../../../operator/src/domain/workload/pod-manifest.ts'
import type { Ask } from '../../bed/api-requests.ts'
import { gpuJob } from '../../builders/gpujob.ts'
import { gpuRun } from '../../builders/gpurun.ts'
import type { Manifest } from './manifest.ts'

/** Empty where the API server takes it. */
type Complaint = string

async function dryRun(ask: Ask, path: string, body: unknown): Promise<Complaint> {
  const answer = await ask(`${path}?dryRun=All&fieldValidation=Strict`, { method: 'POST', body })
  return answer.status === 201 ? '' : String((answer.body as { message?: unknown }).message)
}

export function hubSays(ask: Ask, manifest: Manifest): Promise<Complaint> {
  return dryRun(ask, '/apis/gpucommons.io/v1alpha1/namespaces/demo/gpujobs', manifest)
}

/** What pods need before they are admitted, and a controller manager or the agent's installation would make. */
export async function makeProvider(ask: Ask): Promise<void> {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }
  await ask('/api/v1/namespaces/default/serviceaccounts', { method: 'POST', body: account })
  const priority = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: priorityClassName } }
  await ask('/apis/scheduling.k8s.io/v1/priorityclasses', { method: 'POST', body: { ...priority, value: -1 } })
}

/** Of the Job that the agent makes, else of the pods that the Job makes: of these Kubernetes asks a little more. */
export async function providerSays(ask: Ask, manifest: Manifest): Promise<Complaint> {
  const spec = gpuJobSpecSchema.parse(manifest['spec']) as GpuJobSpec
  const { name } = manifest['metadata'] as { readonly name: string }
  const run = gpuRun({ job: gpuJob({ name, spec }) })
  const job = jobManifest(run, {
    namespace: 'default',
    hubUid: 'hub',
    provider: 'acme',
    rules: noRules,
    gpuResource: 'nvidia.com/gpu',
  })
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod' }, spec: job.spec.template.spec }
  return (
    (await dryRun(ask, '/apis/batch/v1/namespaces/default/jobs', job)) ||
    (await dryRun(ask, '/api/v1/namespaces/default/pods', pod))
  )
}
