// Rights that `write-budget.test.ts` does not see used, and what they are for.
export const keptRights: Readonly<Record<string, string>> = {
  'gpc-provider-namespace: get secrets': 'where gpc-hub-tenants is bound in the namespaces of tenants alone',
  'gpc-provider-namespace: patch leases.coordination.k8s.io/agent':
    'the agent is told that the kinds were made anew, or that its home was handed over',
  'gpc-provider-namespace: delete rolebindings.rbac.authorization.k8s.io/gpc-provider-agent':
    'when its provider is revoked: revoke.test.ts',
  'gpc-hub: create tokenreviews.authentication.k8s.io': 'who wants a snapshot of the engine: explain.test.ts',
  'gpc-hub: create subjectaccessreviews.authorization.k8s.io': 'whether he may have it: explain.test.ts',
  'gpc-hub: get gpuruns.gpucommons.io': 'a stop order that was refused: is it because it stands already?',
  'gpc-hub: patch gpujobs/status.gpucommons.io': 'of a job that somebody has annotated: status-request.ts',
  'gpc-hub: patch gpuqueues/status.gpucommons.io': 'of a queue that somebody has annotated, as kubectl apply does',
  'gpc-hub: update providers/status.gpucommons.io':
    'of a Provider that nobody has annotated; those of the bed are applied',
  'gpc-provider-agent: patch gpuruns/status.gpucommons.io':
    'an agent of an earlier version; a run that somebody has annotated',
  'gpc-provider-agent: update providerreports.gpucommons.io':
    'the rules have changed, the hours begin or end, the network was looked at: owner-rules.test.ts, whole-way.test.ts',
  'gpc-agent: patch namespaces': 'the owner has another Pod Security level than before: test/kubelet/levels.test.ts',
  'gpc-tenant-namespace: get jobs.batch': 'a Job of that name is there: hands-off.test.ts',
  'gpc-tenant-namespace: get services': 'a Service of that name is there: hands-off.test.ts',
}
