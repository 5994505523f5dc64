// Whether the hub is the one that an agent remembers. What follows from each answer is a table in crds/gpurun.md.

/** What the hub says of itself on the agent's Lease. */
export interface HubIdentity {
  /** Of the hub's namespace kube-system. */
  readonly hubUid: string
  /** Of the CustomResourceDefinition gpuruns. */
  readonly runsUid: string
  readonly providerUid: string
}

/** What the agent keeps on its own cluster. */
export interface Remembered extends HubIdentity {
  /** The highest resourceVersion of the Lease that the hub has answered with. */
  readonly version: string
  /** An older version was seen since. That stays until somebody accepts it: versions grow again by themselves. */
  readonly setBack: boolean
}

/** The Lease, as the hub has it now. */
export interface LeaseIdentity extends HubIdentity {
  readonly version: string
  /** The Provider before this one, where its home was handed over. */
  readonly formerProviderUid?: string | undefined
  /** The fingerprint that the federation operator accepts. */
  readonly accepted?: string | undefined
  /** The last question of the agent to which the hub said that its kinds are still these. */
  readonly vouched?: string | undefined
}

export const hubChanges = ['OtherHub', 'KindMadeAgain', 'ProviderMadeAgain', 'SetBack', 'LeaseGone'] as const
export type HubChange = (typeof hubChanges)[number]

/** Completes the sentence "the agent begins nothing, for …". */
export const whatChanged = {
  OtherHub: 'it remembers another cluster as its hub',
  KindMadeAgain: 'the CustomResourceDefinition gpuruns was made anew',
  ProviderMadeAgain: 'it remembers an earlier Provider of this name',
  SetBack: 'the hub was set back to an earlier state',
  LeaseGone: 'the Lease by which the hub says who it is was gone',
} as const satisfies Record<HubChange, string>

/** `undefined`: it is the hub that is remembered, and not older than it was. */
export function changeOf(remembered: Remembered, seen: LeaseIdentity | 'Gone'): HubChange | undefined {
  if (seen === 'Gone') return 'LeaseGone'
  if (seen.hubUid !== remembered.hubUid) return 'OtherHub'
  if (seen.runsUid !== remembered.runsUid) return 'KindMadeAgain'
  const isHandedOver = seen.formerProviderUid === remembered.providerUid
  if (seen.providerUid !== remembered.providerUid && !isHandedOver) return 'ProviderMadeAgain'
  return remembered.setBack || isOlder(seen.version, remembered.version) ? 'SetBack' : undefined
}

/**
 * What a person accepts: this hub, after what the agent remembers. It stands still while it is not accepted, and says
 * nothing about any later change.
 */
export function fingerprintOf(remembered: Remembered, { hubUid, runsUid, providerUid }: HubIdentity): string {
  return [hubUid, runsUid, providerUid].map((uid) => uid.slice(0, 8)).join('-') + `-${remembered.version}`
}

/** Another hub than the one that is remembered has no say in whether it is to be obeyed: that is for the owner alone. */
export function isAccepted(
  change: HubChange,
  { fingerprint, byOwner, byHub }: { fingerprint: string; byOwner: string | undefined; byHub: string | undefined },
): boolean {
  return byOwner === fingerprint || (change !== 'OtherHub' && byHub === fingerprint)
}

/** Numbers that may be too large for a number. What is no number cannot be compared, and is not older. */
export function isOlder(version: string, than: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(than)) return false
  return BigInt(version) < BigInt(than)
}
