import { expect, test } from '@jest/globals'
import { mergedPullSecret } from './pull-secret.ts'

function pullSecret(name: string, value: unknown, key = '.dockerconfigjson') {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const data = new Map([[key, Buffer.from(text).toString('base64')]])
  return { kind: 'Secret' as const, name, data, binaryData: new Map<string, string>() }
}

const one = { 'one.example.com': { auth: 'b25l' } }
const two = { 'two.example.com': { auth: 'dHdv' } }

test.each([
  {
    name: 'two registries',
    secrets: [pullSecret('a', { auths: one }), pullSecret('b', { auths: two })],
    says: { ...one, ...two },
  },
  {
    name: 'of one registry the first',
    secrets: [pullSecret('a', { auths: one }), pullSecret('b', { auths: { 'one.example.com': { auth: 'c2Vj' } } })],
    says: one,
  },
  { name: 'credentials alone', secrets: [pullSecret('a', { auths: one, credHelpers: { x: 'y' } })], says: one },
  { name: 'the older form', secrets: [pullSecret('a', one, '.dockercfg')], says: one },
  { name: 'none', secrets: [pullSecret('a', { auths: {} })], says: {} },
])('merged: $name', ({ secrets, says }) => {
  const merged = mergedPullSecret(secrets)
  expect(typeof merged === 'string' && JSON.parse(Buffer.from(merged, 'base64').toString())).toEqual({ auths: says })
})

test.each([
  { name: 'no JSON', secret: pullSecret('b', '{') },
  { name: 'no auths', secret: pullSecret('b', { registries: one }) },
  { name: 'a list', secret: pullSecret('b', { auths: [one] }) },
  { name: 'credentials that are no object', secret: pullSecret('b', { auths: { x: 'y' } }) },
  { name: 'another key', secret: pullSecret('b', { auths: one }, 'password') },
])('broken: $name', ({ secret }) => {
  expect(mergedPullSecret([pullSecret('a', { auths: one }), secret])).toMatchObject({
    reason: 'PullSecretBroken',
    message: expect.stringContaining('Secret b '),
  })
})
