// Our own kinds, and those of Kubernetes that only a few places use.
import type { GpuJob } from '../../api/gpujob.ts'
import type { GpuNode } from '../../api/gpunode.ts'
import type { GpuQueue } from '../../api/gpuqueue.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import type { JoinRequest } from '../../api/joinrequest.ts'
import type { Provider } from '../../api/provider.ts'
import type { ProviderReport } from '../../api/providerreport.ts'
import type { KubeObject, Resource } from './client.ts'
import { gpu } from './resources.ts'

export const gpuJobs: Resource<GpuJob> = gpu('GpuJob', { plural: 'gpujobs', namespaced: true })
export const gpuRuns: Resource<GpuRun> = gpu('GpuRun', { plural: 'gpuruns', namespaced: true })
export const gpuQueues: Resource<GpuQueue> = gpu('GpuQueue', { plural: 'gpuqueues', namespaced: false })
export const gpuNodes: Resource<GpuNode> = gpu('GpuNode', { plural: 'gpunodes', namespaced: true })
export const providers: Resource<Provider> = gpu('Provider', { plural: 'providers', namespaced: false })
export const providerReports: Resource<ProviderReport> = gpu('ProviderReport', {
  plural: 'providerreports',
  namespaced: true,
})

export const joinRequests: Resource<JoinRequest> = gpu('JoinRequest', { plural: 'joinrequests', namespaced: true })

export interface PriorityClass extends KubeObject {
  readonly value: number
  readonly preemptionPolicy: 'Never' | 'PreemptLowerPriority'
  readonly globalDefault: boolean
  readonly description: string
}

export const priorityClasses: Resource<PriorityClass> = {
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
}

export interface CustomResourceDefinition extends KubeObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string }
}

export const customResourceDefinitions: Resource<CustomResourceDefinition> = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
}
