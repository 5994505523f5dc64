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
/** On the ServiceAccount of an invite, as an annotation: for how many seconds it is good, from its making. */
export const INVITE_SECONDS_ANNOTATION = 'gpucommons.io/invite-seconds'
/** Beside it: SHA-256, in hexadecimal, of the CA certificates (PEM) that were given out with it. */
export const INVITE_CA_ANNOTATION = 'gpucommons.io/invite-ca-sha256'
/** Beside it, with the value `true`: an agent that lives loses its credential to the one that uses this invite. */
export const INVITE_TAKEOVER_ANNOTATION = 'gpucommons.io/invite-takeover'
/** On the ServiceAccount of an invite: its id. */
export const INVITE_LABEL = 'gpucommons.io/invite'
/** On the Secret to which an agent's tokens are bound: the uid of the JoinRequest for which it was made. */
export const JOIN_REQUEST_ANNOTATION = 'gpucommons.io/join-request'

/** The uid of the hub's namespace kube-system: which hub an object on a provider belongs to. */
export const HUB_UID_LABEL = 'gpucommons.io/hub-uid'

/** On a Secret or ConfigMap of a tenant, with the value `true`: it may be copied to the provider that runs the job. */
export const MAY_TRAVEL_LABEL = 'gpucommons.io/may-travel'
/** Annotation on the Job of a run: what its Secrets are called. The name can be guessed by nobody. */
export const SECRETS_ANNOTATION = 'gpucommons.io/secrets'

/** A label `key` of a job's template arrives on the provider's pods as this and the key. */
export const TENANT_LABEL_PREFIX = 'tenant.gpucommons.io/'

/** On a GpuRun: the uid of the CustomResourceDefinition gpujobs under which it was ordered. When that is made anew, all GpuJobs are gone, and that is no order to stop. */
export const JOBS_KIND_LABEL = 'gpucommons.io/gpujobs-uid'
/** In place of that uid, written by a person: the run goes on until it ends by itself. */
export const LET_GO = 'let-go'
/** On the agent's Lease: the uid of the CustomResourceDefinition gpuruns. */
export const RUNS_KIND_LABEL = 'gpucommons.io/gpuruns-uid'

/** On the agent's Lease: the uid of the earlier Provider of this name, whose home was handed over. */
export const FORMER_PROVIDER_ANNOTATION = 'gpucommons.io/former-provider-uid'
/** On the agent's Lease, by the agent: in what way the hub is not the one that it remembers. */
export const HUB_CHANGED_ANNOTATION = 'gpucommons.io/hub-changed'
/** Beside it: what must be accepted for the agent to go on. */
export const FINGERPRINT_ANNOTATION = 'gpucommons.io/hub-fingerprint'
/** On the Provider, copied to the agent's Lease, or on what the agent remembers on its own cluster: the fingerprint that a person accepts. */
export const ACCEPT_HUB_ANNOTATION = 'gpucommons.io/accept-hub'
/** On what the agent remembers on its own cluster: the owner takes the cluster out of the federation. The value is that of one who asks. */
export const LEAVING_ANNOTATION = 'gpucommons.io/leaving'
/** Beside it, by the agent, with the value of who asked: nothing of the federation runs here any more, and the hub has been told. */
export const LEFT_ANNOTATION = 'gpucommons.io/left'
/** On the agent's Lease, by the agent: the hub shall say that its kinds are still those of which the Lease tells. */
export const ASKED_ANNOTATION = 'gpucommons.io/identity-asked'
/** Beside it, by the hub: what was asked, once the hub has looked. */
export const VOUCHED_ANNOTATION = 'gpucommons.io/identity-vouched'

/** On a GpuJob that waits, by who wants to know what would place it: any word, echoed with the answer in its status. */
export const EXPLAIN_ANNOTATION = 'gpucommons.io/explain'
