import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isTenantNamespaceOf, tenantNamespace, tenantNamespaceManifest } from './tenant-namespace.ts'

const hubUid = '0f3c2a1b-1111-4000-8000-000000000000'
const sha256Hex = (text: string) => createHash('sha256').update(text).digest('hex')
const name = (namespace: string) => tenantNamespace(hubUid, namespace, sha256Hex)
const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)

describe("a tenant's namespace on a provider", () => {
  test('says hub and namespace where there is room for both', () => {
    expect(name('team')).toBe('gpc-0f3c2a-team')
    expect(name('a'.repeat(52))).toBe(`gpc-0f3c2a-${'a'.repeat(52)}`)
  })

  test('is cut and hashed where there is not', () => {
    expect(name('a'.repeat(53))).toBe(`gpc-0f3c2a-${'a'.repeat(39)}-${sha256Hex('a'.repeat(53)).slice(0, 12)}`)
  })

  test('is always a name that a namespace may have', () => {
    fc.assert(
      fc.property(label, (namespace) => {
        expect(name(namespace)).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
      }),
    )
  })

  test('is another one for another namespace, also where only the end differs', () => {
    fc.assert(
      fc.property(label, label, (one, other) => {
        expect(name(one) === name(other)).toBe(one === other)
      }),
    )
    expect(name(`${'a'.repeat(60)}1`)).not.toBe(name(`${'a'.repeat(60)}2`))
  })

  test('is another one for another hub', () => {
    expect(tenantNamespace('ffffffff', 'team', sha256Hex)).not.toBe(name('team'))
  })
})

describe('whose namespace it is', () => {
  const owner = { hubUid, namespace: 'team' }
  const { labels } = tenantNamespaceManifest('gpc-0f3c2a-team', { ...owner, podSecurity: 'Baseline' }).metadata

  test('stands in its labels, with the level of Pod Security', () => {
    expect(labels).toEqual({
      'gpucommons.io/hub-uid': hubUid,
      'gpucommons.io/job-namespace': 'team',
      'pod-security.kubernetes.io/enforce': 'baseline',
    })
  })

  test.each([
    { name: 'its own', found: labels, says: true },
    { name: 'its own, with labels that its owner added', found: { ...labels, team: 'x' }, says: true },
    { name: 'of another hub', found: { ...labels, 'gpucommons.io/hub-uid': 'x' }, says: false },
    { name: 'of another tenant', found: { ...labels, 'gpucommons.io/job-namespace': 'x' }, says: false },
    { name: 'of nobody', found: {}, says: false },
    { name: 'without labels', found: undefined, says: false },
  ])('$name: $says', ({ found, says }) => {
    expect(isTenantNamespaceOf(found, owner)).toBe(says)
  })
})
