// What has to be on a cluster before hub or agent runs there: node operator/src/rights.ts hub | kubectl apply -f -
import { agentInstallation, hubInstallation } from './adapters/kubernetes/installation.ts'

const installations = { hub: hubInstallation, agent: agentInstallation }

const [which = '', ...more] = process.argv.slice(2)
if (more.length === 0 && Object.hasOwn(installations, which)) {
  const items = installations[which as keyof typeof installations]()
  console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 2))
} else {
  console.error('usage: node operator/src/rights.ts hub|agent')
  process.exitCode = 2
}
