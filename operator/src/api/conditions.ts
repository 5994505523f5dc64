// Every type and reason that a status can say. Each stands on the page of its kind in crds/, and a test holds the two together.

/** What each reason of each condition of a GpuJob means. */
export const gpuJobReasons = {
  Admitted: {
    Admitted: 'The job is well formed and may be placed.',
    Suspended: 'spec.suspend is true: the job holds no GPU until it is set to false.',
    QueueMissing: 'There is no GpuQueue of the name that spec.queue has; the job waits for it and holds no GPU.',
    QueueNotAllowed: 'The queue does not let jobs of this namespace in: its spec.namespaces says which.',
    SourceMissing:
      'A Secret or ConfigMap that the template names is not there, or lacks a key; it is looked for again.',
    MayNotTravel: 'What the template names lacks the label gpucommons.io/may-travel: "true"; it is looked at again.',
    PayloadTooLarge: 'What the template names is too much to travel; the message says what is largest.',
    TemplateTooLarge: 'spec.template is larger than what may travel; the job holds no GPU and is to be made anew.',
    PullSecretBroken: 'A Secret in imagePullSecrets has nothing by which images could be pulled.',
    NotReadable: 'The hub may not read Secrets and ConfigMaps of this namespace.',
  },
  Placed: {
    Recorded: 'A provider and its nodes are chosen and written down in status.placement.',
    Waiting: 'GPUs that would fit exist, but are in use or their provider is silent.',
    NeverFits: 'No provider has nodes that could ever hold this job; it is tried again when nodes change.',
    BackingOff: 'The last run failed or was rejected; the next is placed after status.notBefore.',
    Preempted: 'Another job has taken the GPUs of the last run; this one is placed again, and is as old as before.',
    Preempting: 'GPUs are chosen that others still use: they were told to end, and it is placed when they are over.',
    NameTaken: 'An object that is not ours has the name that the GpuRun would have.',
    HubChanged: 'A provider still runs it by an order that the hub has lost; it is placed when that is over.',
  },
  Running: {
    Running: 'All workers run.',
    NotStarted: 'No run has begun yet.',
    Starting: 'The order is given; the provider is starting the workers.',
    StartTrouble: 'A worker cannot start; the provider goes on trying, and the message has its words.',
    ProviderRevoked: 'Its provider was shut out while it ran there: nobody knows what became of the run.',
    ProviderSilent: 'Its provider has not been heard of for a while: nobody knows what became of the run.',
    Stopping: 'The run was told to stop and has not ended yet.',
    RunLost: 'Nobody knows whether it runs: a node with a worker on it does not answer.',
    Over: 'The job has finished or rests: nothing of it runs.',
  },
  Finished: {
    Succeeded: 'Every worker ended with exit code 0.',
    DeadlineExceeded: 'The job ran longer than spec.maxRuntimeSeconds.',
    RetriesExhausted: 'More runs failed than spec.retry.limit allows.',
    ExitCodeFails: 'A worker ended with an exit code for which spec.retry.exitCodes says Fail.',
    NotFinished: 'The job is not over.',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

/** What each reason of each condition of a GpuQueue means. */
export const gpuQueueReasons = {
  Ready: {
    Ready: 'Its jobs are placed as its spec says.',
    ModelUnknown: 'Its jobs are placed, and a model of its quota is one that no provider offers.',
    ParentMissing: 'A queue above it is not there, such as the one that spec.parent names: its jobs wait until it is.',
    Cycle: 'The queues above it are in a ring: its jobs wait until the ring is broken.',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

/** What each reason of each condition of a Provider means. */
export const providerReasons = {
  Connected: {
    Heartbeat: 'The agent renews its Lease.',
    Silent: 'The agent has not renewed its Lease for a while: no new work goes there.',
    HubChanged: 'To the agent this hub is not the one that it remembers: it begins nothing and deletes nothing.',
    NeverSeen: 'No agent has connected yet.',
    Revoked: 'spec.intake is Revoked: the agent is shut out, and nothing that it says counts.',
  },
  Verified: {
    NotYet: 'What the provider claims is believed: this version checks no claims.',
  },
  Ready: {
    Ready: 'The provider takes new work.',
    Cordoned: 'spec.intake is Cordoned: no new work goes there, what runs goes on.',
    Revoked: 'spec.intake is Revoked: the agent is shut out, and nothing is ordered there.',
    NotConnected: 'The agent is silent or was never seen.',
    NameTaken: 'The namespace of the provider exists and is not ours.',
    OutsideHours: 'It is outside of the hours in which its owner takes jobs: nothing runs there until then.',
    HubChanged: 'Runs there are of GpuJobs that went with an earlier CustomResourceDefinition: nothing new goes there.',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

/** What each reason in the status of a GpuRun means. The schema takes any word: an agent may be newer than its hub. */
export const gpuRunReasons = {
  Completed: 'Every worker ended with exit code 0.',
  NonZeroExit: 'A worker ended with another exit code; status.exitCode has it.',
  OOMKilled: 'A worker needed more memory than it may have.',
  DeadlineExceeded: 'The run took longer than maxRuntimeSeconds.',
  NoRoom: 'The provider could not put all workers on the chosen nodes within bindTimeoutSeconds.',
  NameTaken: 'An object that is not ours has a name that this run needs on the provider.',
  Forbidden:
    'The provider forbids it, such as by a quota, a policy, or rights that the agent lacks; the message has its words.',
  NodeRefused: 'A node refused a worker that the scheduler had put there, such as for a GPU that was not free.',
  ImagePullBackOff: 'An image could not be pulled in time; the message has the words of the kubelet.',
  CreateContainerError: 'A container could not be created in time; the message has the words of the kubelet.',
  StartError: 'A container could not be started, such as for a command that is not there, or a driver that failed.',
  StartTimeout: 'A worker did not start within an hour on its node, such as for a volume that could not be mounted.',
  CrashLoopBackOff: 'A sidecar ends again and again, so that the worker does not start.',
  OwnerRuleTenant: "The owner takes no jobs of the job's namespace.",
  OwnerRuleImage: 'The owner does not let one of the images run; the message says which.',
  OwnerRuleGpus: 'It asks for more GPUs than the owner gives to a run, or keeps back on a node.',
  OwnerRuleRuntime: 'It may run for longer than the owner allows: spec.maxRuntimeSeconds is missing or too large.',
  OwnerRuleStorage: 'The owner does not offer the storage class of one of its ephemeral volumes.',
  OwnerRuleHours: 'It is outside of the hours in which the owner takes jobs. This is no failure of the job.',
  NeedsRoot: 'The owner lets nothing run as root, and the job does not say runAsNonRoot: true.',
  NodeNotOffered: 'The order names a node that is not there or that the owner does not offer.',
  Invalid: 'The API server of the provider refused the Job; the message has its words.',
  PayloadMissing: 'The Secrets and ConfigMaps of the run did not come from the hub within bindTimeoutSeconds.',
  PayloadMismatch: 'What lies on the hub as the payload of the run is not what the run was ordered with.',
  CreateContainerConfigError: 'The kubelet could not set a container up, such as a root image under runAsNonRoot.',
  InvalidImageName: 'The name of an image cannot be read.',
  ErrImageNeverPull: 'imagePullPolicy is Never and the node lacks the image.',
  Evicted: 'A worker wrote more to the disk of its node than its limits allow.',
  NodePressure: 'A node ran short of memory or disk and evicted a worker. This is no failure of the job.',
  NodeShutdown: 'A node was shut down. This is no failure of the job.',
  Reclaimed: "The owner's own work took the GPUs back. This is no failure of the job.",
  JobRemoved: 'Somebody removed the Job on the provider. This is no failure of the job.',
  ProviderLeaves: 'The owner takes the cluster out of the federation. This is no failure of the job.',
  PodRemoved: "Somebody removed a worker's pod on the provider. This is no failure of the job.",
  NodeLost: 'A node stopped answering, or began anew, while a worker was on it. This is no failure of the job.',
  Stopped: 'The hub told the run to stop: the job was deleted, suspended or replaced.',
  Preempted: 'Another job has taken its GPUs; the message says which. This is no failure of the job.',
} as const satisfies Readonly<Record<string, string>>

/** What each reason in the status of a JoinRequest means. */
export const joinReasons = {
  Joined: 'The agent has its credential, and the invite is used up.',
  ProviderGone: 'There is no Provider of that name.',
  ProviderRevoked: 'The Provider is revoked: nobody may join as it.',
  InviteUnknown: 'The invite was used before, has expired, or was revoked.',
  InviteExpired: 'The invite has expired; ask for another one.',
  InviteUsed: 'Another agent had used the invite before; if that one is not the owner’s, revoke the Provider.',
  OtherProvider: 'The agent that has the invite is set to be of another provider; nobody has joined with it.',
  KeyUnusable: 'Nothing can be encrypted to the key of the request.',
  SignatureMissing: "The Provider pins the owner's key, and the request is not signed.",
  SignatureWrong: "The request was not signed by the owner's key, or was signed for another hub, provider or invite.",
  AgentAlive: 'Another agent of this provider is alive; uninstall it, or ask for an invite with --takeover.',
} as const satisfies Readonly<Record<string, string>>

/** What each reason in spec.withheldBecause of a GpuNode means. */
export const withheldReasons = {
  Cordoned: 'The owner cordoned the node.',
  NotReady: 'The node is not Ready.',
  TimeSlicing: 'Its GPUs are shared, and their labels do not say by how many pods; or its MIG slices are shared.',
  Mig: 'It has several kinds of MIG slices, or slices beside whole GPUs: a node of one kind is offered.',
  Unhealthy: 'None of its GPUs is healthy.',
  KeptByOwner: 'Its owner keeps all of its GPUs.',
  NoGpu: 'It has no GPU that is advertised to Kubernetes.',
} as const satisfies Readonly<Record<string, string>>

export type GpuJobConditionType = keyof typeof gpuJobReasons
export type GpuJobReason<Type extends GpuJobConditionType = GpuJobConditionType> = Type extends GpuJobConditionType
  ? keyof (typeof gpuJobReasons)[Type]
  : never
export type GpuQueueReason = keyof (typeof gpuQueueReasons)['Ready']
export type ProviderConditionType = keyof typeof providerReasons
export type ProviderReason<Type extends ProviderConditionType = ProviderConditionType> =
  Type extends ProviderConditionType ? keyof (typeof providerReasons)[Type] : never
export type GpuRunReason = keyof typeof gpuRunReasons
export type JoinReason = keyof typeof joinReasons
export type WithheldReason = keyof typeof withheldReasons
