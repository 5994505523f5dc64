import { describe, expect, test } from '@jest/globals'
import { noRules, type OwnerRules } from '../../api/owner-rules.ts'
import { type PodSpec, type PodTemplate, podTemplateSchema } from '../../api/template.ts'
import { type Asked, askedBy, askedByTemplate } from './asked.ts'
import { asJudged, brokenRule } from './owner-rules.ts'

const pinned = `registry.example.org/train@sha256:${'a'.repeat(64)}`

function asked(change: Partial<Asked> = {}): Asked {
  return { tenant: 'research', images: ['ubuntu'], storageClasses: [], root: 'Perhaps', gpus: 8, ...change }
}

describe("an owner's rules", () => {
  const cases: { name: string; rules: Partial<OwnerRules>; asked?: Partial<Asked>; says?: string }[] = [
    { name: 'an owner without rules takes all', rules: {} },
    { name: 'an allowed tenant may', rules: { tenants: { allow: ['research'] } } },
    { name: 'an allowed tenant is named whole', rules: { tenants: { allow: ['rese'] } }, says: 'OwnerRuleTenant' },
    { name: 'a name with a star is a beginning', rules: { tenants: { allow: ['rese*'] } } },
    { name: 'other tenants may not', rules: { tenants: { allow: ['team-*'] } }, says: 'OwnerRuleTenant' },
    {
      name: 'who is denied may not, though allowed',
      rules: { tenants: { allow: ['*'], deny: ['research'] } },
      says: 'OwnerRuleTenant',
    },
    { name: 'an image is meant with any tag', rules: { images: image({ allow: ['docker.io/library/ubuntu'] }) } },
    {
      name: 'and with a tag and a digest',
      rules: { images: image({ allow: ['registry.example.org/train'] }) },
      asked: { images: [pinned, 'registry.example.org/train:1'] },
    },
    {
      name: 'an image of another name that begins so is another one',
      rules: { images: image({ allow: ['docker.io/library/ubuntu'] }) },
      asked: { images: ['ubuntu-evil', 'ubuntu/evil'] },
      says: 'OwnerRuleImage',
    },
    {
      name: 'a repository may be allowed',
      rules: { images: image({ allow: ['nvcr.io/nvidia/*'] }) },
      asked: { images: ['nvcr.io/nvidia/pytorch:25.01'] },
    },
    {
      name: 'one image that is not allowed is enough',
      rules: { images: image({ allow: ['nvcr.io/nvidia/*'] }) },
      asked: { images: ['nvcr.io/nvidia/pytorch:25.01', 'nvcr.io.evil.example/nvidia/pytorch'] },
      says: 'OwnerRuleImage',
    },
    ...['evil/miner', 'docker.io/evil/miner', 'index.docker.io/evil/miner:1', 'DOCKER.IO/evil/miner'].map((one) => ({
      name: `a denied image is denied as ${one}`,
      rules: { images: image({ deny: ['docker.io/evil/*'] }) },
      asked: { images: [one] },
      says: 'OwnerRuleImage',
    })),
    {
      name: 'a port that goes without saying is not said',
      rules: { images: image({ deny: ['registry.example.org/*'] }) },
      asked: { images: ['registry.example.org:443/train'] },
      says: 'OwnerRuleImage',
    },
    {
      name: 'a rule may name a registry as people do',
      rules: {
        images: image({ allow: ['index.docker.io/nvidia/*', 'docker.io/ubuntu', 'registry.example.org:443/*'] }),
      },
      asked: { images: ['nvidia/cuda:12', 'ubuntu', 'registry.example.org/x'] },
    },
    {
      name: 'a pinned image has its digest',
      rules: { images: image({ pinning: 'Digest' }) },
      asked: { images: [pinned] },
    },
    { name: 'a tag is no digest', rules: { images: image({ pinning: 'Digest' }) }, says: 'OwnerRuleImage' },
    {
      name: 'half a digest is none',
      rules: { images: image({ pinning: 'Digest' }) },
      asked: { images: ['ubuntu@sha256:abc'] },
      says: 'OwnerRuleImage',
    },
    { name: 'all GPUs of a run count', rules: { mostGpusPerRun: 7 }, says: 'OwnerRuleGpus' },
    { name: 'as many as there may be', rules: { mostGpusPerRun: 8 } },
    { name: 'who may run for ever runs too long', rules: { longestRunSeconds: 60 }, says: 'OwnerRuleRuntime' },
    { name: 'who ends in time may', rules: { longestRunSeconds: 60 }, asked: { maxRuntimeSeconds: 60 } },
    {
      name: 'a class that is not offered',
      rules: { storageClasses: ['ssd'] },
      asked: { storageClasses: ['nfs'] },
      says: 'OwnerRuleStorage',
    },
    { name: 'a class that is offered', rules: { storageClasses: ['hdd', 'ssd'] }, asked: { storageClasses: ['ssd'] } },
    {
      name: 'a volume that names no class',
      rules: { storageClasses: ['ssd'] },
      asked: { storageClasses: [undefined] },
    },
    {
      name: 'no volume where there are none',
      rules: { storageClasses: [] },
      asked: { storageClasses: [undefined] },
      says: 'OwnerRuleStorage',
    },
    { name: 'who wants no volume gets along without', rules: { storageClasses: [] } },
    { name: 'who may be root', rules: { podSecurity: 'Restricted' }, says: 'NeedsRoot' },
    { name: 'who never is root', rules: { podSecurity: 'Restricted' }, asked: { root: 'Never' } },
  ]
  test.each(cases)('$name', ({ rules, asked: change, says }) => {
    expect(brokenRule({ ...noRules, ...rules }, asked(change))?.rule).toBe(says)
  })

  test('the message names what to change', () => {
    const says = (rules: Partial<OwnerRules>, change?: Partial<Asked>) =>
      brokenRule({ ...noRules, ...rules }, asked(change))?.message
    expect(says({ longestRunSeconds: 60 })).toContain('spec.maxRuntimeSeconds')
    expect(says({ images: image({ pinning: 'Digest' }) })).toContain('ubuntu with @sha256:')
    expect(says({ storageClasses: ['a', 'b'] }, { storageClasses: ['c'] })).toContain('name one of a, b, or none')
  })
})

function image(change: Partial<NonNullable<OwnerRules['images']>>): NonNullable<OwnerRules['images']> {
  return { pinning: 'Any', ...change }
}

const main = { name: 'main', image: 'a' }
const rootless = { runAsNonRoot: true }
const claim = (storageClassName?: string) => ({
  volumeClaimTemplate: {
    spec: {
      accessModes: ['ReadWriteOnce' as const],
      resources: { requests: { storage: '1Gi' } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  },
})

function template(spec: Partial<PodSpec>): PodTemplate {
  return podTemplateSchema.parse({ spec: { containers: [main], ...spec } }) as PodTemplate
}

describe('what a template asks', () => {
  const roots: { name: string; spec: Partial<PodSpec>; root: string }[] = [
    { name: 'says nothing', spec: {}, root: 'Perhaps' },
    { name: 'says it for the pod', spec: { securityContext: rootless }, root: 'Never' },
    {
      name: 'takes it back for a container',
      spec: { securityContext: rootless, containers: [{ ...main, securityContext: { runAsNonRoot: false } }] },
      root: 'Perhaps',
    },
    {
      name: 'says it for each container',
      spec: { containers: [{ ...main, securityContext: rootless }] },
      root: 'Never',
    },
    {
      name: 'forgets an init container',
      spec: { containers: [{ ...main, securityContext: rootless }], initContainers: [{ name: 'init', image: 'b' }] },
      root: 'Perhaps',
    },
    {
      name: 'is user 0 in a container',
      spec: { securityContext: rootless, containers: [{ ...main, securityContext: { runAsUser: 0 } }] },
      root: 'Perhaps',
    },
  ]
  test.each(roots)('one that $name: root $root', ({ spec, root }) => {
    expect(askedByTemplate(template(spec)).root).toBe(root)
  })

  test('images of all containers, classes of ephemeral volumes, GPUs of all workers', () => {
    const of = askedByTemplate(
      template({
        initContainers: [{ name: 'init', image: 'b' }],
        volumes: [
          { name: 'v', ephemeral: claim('ssd') },
          { name: 'w', ephemeral: claim() },
          { name: 'e', emptyDir: {} },
        ],
      }),
    )
    expect(askedBy({ namespace: 'team' }, { workers: 4, gpus: { count: 2 } }, of)).toEqual({
      tenant: 'team',
      images: ['a', 'b'],
      storageClasses: ['ssd', undefined],
      root: 'Perhaps',
      gpus: 8,
    })
  })

  test('a volume that names no class gets the first that the owner offers', () => {
    const volumes = [
      { name: 'v', ephemeral: claim('ssd') },
      { name: 'w', ephemeral: claim() },
      { name: 'e', emptyDir: {} },
    ]
    const classes = (storageClasses?: string[]) =>
      asJudged(template({ volumes }), { ...noRules, ...(storageClasses && { storageClasses }) })
        .spec.volumes?.map(({ ephemeral }) => ephemeral?.volumeClaimTemplate.spec.storageClassName ?? '–')
        .join()
    expect(classes(['hdd', 'ssd'])).toBe('ssd,hdd,–')
    expect(classes()).toBe('ssd,–,–')
  })

  test('where an owner looks at images, their names are written so that each runtime reads the same', () => {
    const of = (rules: Partial<OwnerRules>) =>
      asJudged(template({ initContainers: [{ name: 'init', image: 'nvcr.io/x' }] }), { ...noRules, ...rules }).spec
    const names = (rules: Partial<OwnerRules>) =>
      [...of(rules).containers, ...(of(rules).initContainers ?? [])].map((one) => one.image)
    expect(names({ images: image({ allow: ['docker.io/*'] }) })).toEqual(['docker.io/library/a', 'nvcr.io/x'])
    expect(names({})).toEqual(['a', 'nvcr.io/x'])
  })
})
