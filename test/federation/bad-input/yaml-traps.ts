/** Text that YAML 1.1, which kubectl reads, takes for something else than its writer meant. */
export interface Trap {
  readonly name: string
  /** Lines of the spec. */
  readonly spec: string
  readonly says: readonly string[]
}

const env = 'spec.template.spec.containers[0].env[0].value'

function variable(value: string): string {
  return `{ gpus: { count: 1 }, template: { spec: { containers: [{ name: main, image: a, env: [{ name: A, value: ${value} }] }] } } }`
}

function job(fields: string): string {
  return `{ gpus: { count: 1 }, ${fields}, template: { spec: { containers: [{ name: main, image: a }] } } }`
}

export const traps: readonly Trap[] = [
  { name: 'yes is a boolean', spec: variable('yes'), says: [env, 'string'] },
  { name: 'off is a boolean', spec: variable('off'), says: [env, 'string'] },
  { name: '1e3 is a number', spec: variable('1e3'), says: [env, 'string'] },
  { name: '0x1F is a number', spec: variable('0x1F'), says: [env, 'string'] },
  { name: '010 is eight', spec: variable('010'), says: [env, 'string'] },
  {
    name: 'NO is a boolean, not a country',
    spec: job('placement: { providerSelector: { country: NO } }'),
    says: ['spec.placement.providerSelector.country', 'string'],
  },
  {
    name: '1_000_000 is a million',
    spec: job('workers: 1_000_000'),
    says: ['spec.workers', 'less than or equal to 1024'],
  },
  {
    name: '2.50 is a float',
    spec: job('placement: { maxPricePerGpuHour: 2.50 }'),
    says: ['spec.placement.maxPricePerGpuHour', 'string'],
  },
  { name: '"yes" in quotes is a text', spec: job('suspend: "yes"'), says: ['spec.suspend', 'boolean'] },
]
