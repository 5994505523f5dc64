/** Keys of the labels and annotations that this project reads or writes. */

/**
 * On everything made on a provider: which run of which job it belongs to, `<uid of the GpuJob>.<run>`. What lacks it is
 * not ours. A GpuRun that was lost and made again orders the same run, so what runs for it is found again.
 */
export const RUN_LABEL = 'gpucommons.io/run'
/** The uid of the GpuJob on the hub. */
export const JOB_UID_LABEL = 'gpucommons.io/job-uid'
/** The name of the GpuJob on the hub. */
export const JOB_LABEL = 'gpucommons.io/job'
/** The namespace of the GpuJob on the hub. */
export const JOB_NAMESPACE_LABEL = 'gpucommons.io/job-namespace'
/** Which run of the job it is: 1, 2, 3 … */
export const RUN_NUMBER_LABEL = 'gpucommons.io/run-number'
/** The name of the Provider. */
export const PROVIDER_LABEL = 'gpucommons.io/provider'
/** The uid of the Provider: a Provider made again under the same name is another one. */
export const PROVIDER_UID_LABEL = 'gpucommons.io/provider-uid'
/** The uid of the hub's namespace kube-system: which hub an object on a provider belongs to. */
export const HUB_UID_LABEL = 'gpucommons.io/hub-uid'

/** A label `key` of a job's template arrives on the provider's pods as this and the key. */
export const TENANT_LABEL_PREFIX = 'tenant.gpucommons.io/'
