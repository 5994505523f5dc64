// Who waits for whom at the hub's API server: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
import { GROUP } from '../../../api/group.ts'
import type { Account, Manifest } from '../manifest.ts'

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1'

interface Level {
  readonly name: string
  /** Of the API server's seats, beside the 245 shares of Kubernetes' own levels: 600 seats by default. A request that is worked on sits on one. */
  readonly shares: number
  /** Of its seats, in percent: how many idle ones of other levels it may take. Absent: any. */
  readonly borrows?: number
  /** Of its seats, in percent: how many others may take while it needs them not. */
  readonly lends: number
  readonly queues: number
  /** In how many of the queues one user's requests may wait, 50 in each. */
  readonly hand: number
}

interface Flow {
  readonly name: string
  readonly level: Level
  /** The first that matches counts: after those of kube-system's controllers (900), before that of all ServiceAccounts (9000). */
  readonly precedence: number
  readonly isFairBy?: 'ByUser'
  readonly subject: object
  readonly rules: object
}

/** As many as the level `system` of the kubelets: it has many writes under way at once. One user, so all queues are its own. */
const ofHub: Level = { name: 'gpc-hub', shares: 30, lends: 50, queues: 8, hand: 8 }

/**
 * 5 seats of 600, and never more, whatever is idle: what a flood takes of an API server's CPU is what its seats can take. At
 * 10 ms a write they do 500 a second; a job takes two, and all hubs that were measured dispatch less than 100 a second.
 * With 3 of 128 queues for each, an agent meets another one in all of its queues once in 341,376 times, and four that flood
 * block another one once in 1,500 times (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#prioritylevelconfiguration has the table).
 */
const ofAgents: Level = { name: 'gpc-agents', shares: 2, borrows: 0, lends: 0, queues: 128, hand: 3 }

/**
 * Apart from all else that agents want, so that none looks dead because many read much at once. A seat is held while a body
 * arrives, for up to a minute: who sends slowly on purpose must not hold all of them with a few connections, so there are more
 * than so few writes need, and idle ones of other levels beside them.
 */
const ofHeartbeats: Level = {
  name: 'gpc-heartbeats',
  shares: 10,
  lends: 90,
  queues: ofAgents.queues,
  hand: ofAgents.hand,
}

/** RBAC knows each agent, flow control does not: it has no patterns for namespaces. */
const accounts = { kind: 'Group', group: { name: 'system:serviceaccounts' } }

/** What of it agents ask for; what tenants' ServiceAccounts do with GpuJobs is no business of these levels. */
const kindsOfAgents = ['gpunodes', 'gpuruns', 'gpuruns/status', 'providerreports', 'joinrequests']

export function hubFlowControl({ namespace, name }: Account): readonly Manifest[] {
  const flows: readonly Flow[] = [
    {
      name: 'gpc-hub',
      level: ofHub,
      precedence: 950,
      subject: { kind: 'ServiceAccount', serviceAccount: { namespace, name } },
      rules: {
        resourceRules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'], namespaces: ['*'], clusterScope: true }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      },
    },
    {
      name: 'gpc-heartbeats',
      level: ofHeartbeats,
      precedence: 960,
      isFairBy: 'ByUser',
      subject: accounts,
      // The verbs of our agents: leader elections of other programs write with `update`, and stay where they are.
      rules: rulesFor('coordination.k8s.io', ['leases'], ['get', 'patch']),
    },
    {
      name: 'gpc-agents',
      level: ofAgents,
      precedence: 970,
      isFairBy: 'ByUser',
      subject: accounts,
      rules: rulesFor(GROUP, kindsOfAgents, ['*']),
    },
  ]
  return [...flows.map(({ level }) => priorityLevel(level)), ...flows.map(flowSchema)]
}

function rulesFor(group: string, resources: readonly string[], verbs: readonly string[]): object {
  return { resourceRules: [{ apiGroups: [group], resources, verbs, namespaces: ['*'] }] }
}

function priorityLevel({ name, shares, borrows, lends, queues, hand }: Level): Manifest {
  const spec = {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: shares,
      lendablePercent: lends,
      ...(borrows === undefined ? {} : { borrowingLimitPercent: borrows }),
      limitResponse: { type: 'Queue', queuing: { queues, handSize: hand, queueLengthLimit: 50 } },
    },
  }
  return { apiVersion, kind: 'PriorityLevelConfiguration', metadata: { name }, spec } as Manifest
}

function flowSchema({ name, level, precedence, isFairBy, subject, rules }: Flow): Manifest {
  const spec = {
    priorityLevelConfiguration: { name: level.name },
    matchingPrecedence: precedence,
    ...(isFairBy === undefined ? {} : { distinguisherMethod: { type: isFairBy } }),
    rules: [{ subjects: [subject], ...rules }],
  }
  return { apiVersion, kind: 'FlowSchema', metadata: { name }, spec } as Manifest
}
