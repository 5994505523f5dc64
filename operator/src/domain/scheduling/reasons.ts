/** Why a node does not take a job now; cheapest to find and most lasting first. The texts are sentences for users. */
export const reasons = {
  NoNodes: 'The federation has no GPU node yet',
  NotConnected: 'The provider is not connected to the hub',
  ProviderNotReady: 'The provider is connected but not ready to take jobs',
  ProviderCordoned: 'The provider takes no new jobs',
  OutsideHours: 'The owner takes no jobs at this hour of the week',
  OwnerRuleTenant: 'The owner takes no jobs of this namespace',
  OwnerRuleImage: 'The owner does not let an image of the job run',
  OwnerRuleGpus: 'The job asks for more GPUs than the owner gives to a run',
  OwnerRuleRuntime: 'spec.maxRuntimeSeconds is missing, or longer than the owner lets jobs run',
  OwnerRuleStorage: 'The owner does not offer the storage class of an ephemeral volume',
  NeedsRoot: 'The owner lets nothing run as root, and the job does not say runAsNonRoot: true',
  ProviderSelector: 'The labels of the provider do not match placement.providerSelector',
  ProviderExcluded: 'The job has to stay away from this provider',
  NotVerified: 'The job asks for a verified provider, and this one is not',
  WrongModel: 'The GPUs are none of the models that gpus.models names',
  SlicesUnnamed: 'The GPUs are MIG slices, which only a job gets that names their model in gpus.models',
  TooLittleGpuMemory: 'The GPUs have less memory than gpus.memory asks for',
  TooExpensive: 'The GPUs cost more than placement.maxPricePerGpuHour',
  NodeSelector: 'The labels of the node do not match placement.nodeSelector',
  NodeAvoided: 'The job failed on this node before',
  NoFractions: 'The job asks for a part of a GPU, and the node offers whole ones only',
  FractionTooLarge: 'The node shares its GPUs in parts that are smaller than gpus.fraction',
  SharedGpus: 'The job asks for whole GPUs, and the node shares its GPUs',
  Taint: 'The node has a taint that the job does not tolerate',
  NodeTooSmall: 'One worker needs more GPUs, CPU, memory or ephemeral storage than the node has when it is empty',
  QueueUnknown: 'The queue of the job is no GpuQueue',
  QueueBroken: 'The queue of the job lies in a ring of parents, or below a parent that is no GpuQueue',
  MaxRunning: 'The queue of the job, or one above it, has as many runs as it may have',
  QuotaExceeded:
    'The job would take more GPUs of the model than its queue may have now: borrowed ones count, and those that are kept for a job that comes first and needs more',
  NotEnoughFreeGpus: 'Too few GPUs of the node are free for one worker',
  NotEnoughFreeCpu: 'Too little CPU of the node is free for one worker',
  NotEnoughFreeMemory: 'Too little memory of the node is free for one worker',
  NotEnoughFreeStorage: 'Too little ephemeral storage of the node is free for one worker',
  TopologyDoesNotFit:
    'The node has room for a worker, but not all workers fit as close together as topology.within asks',
  GangDoesNotFit: 'The node has room for a worker, but not all workers fit on one provider in equal numbers per node',
} as const

/** `Withheld:Mig` and the like: the owner or the hub keeps the node back, and says why in one word. */
export type Reason = keyof typeof reasons | `Withheld:${string}`
