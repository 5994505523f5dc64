import { noRules } from '../../operator/src/api/owner-rules.ts'
import type { ProviderReportSpec } from '../../operator/src/api/providerreport.ts'

/** Of an owner without rules. */
export function reportSpec(change: Partial<ProviderReportSpec> = {}): ProviderReportSpec {
  return { agentVersion: '1', rules: noRules, intake: 'Open', networkIsolation: 'Unknown', ...change }
}
