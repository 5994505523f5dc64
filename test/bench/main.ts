// npm run bench -- NAME: runs one bench and prints one line of JSON; exit 1 where it misses a bar.
import { dispatchBench } from './dispatch.ts'
import { engineBench } from './engine.ts'
import { fairnessBench } from './fairness.ts'
import type { Figures } from './figures.ts'
import { floodBench } from './flood.ts'
import { optimumBench } from './optimum.ts'
import { packingBench } from './packing.ts'
import { propertiesBench } from './properties.ts'
import { queuesBench } from './queues.ts'
import { scaleBench } from './scale.ts'
import { slowProviderBench } from './slow-provider.ts'

const benches: Readonly<Record<string, (args: readonly string[]) => Figures | Promise<Figures>>> = {
  dispatch: dispatchBench,
  engine: engineBench,
  fairness: fairnessBench,
  flood: floodBench,
  optimum: optimumBench,
  packing: packingBench,
  properties: propertiesBench,
  queues: queuesBench,
  'slow-provider': slowProviderBench,
  scale: scaleBench,
}

const [name = '', ...args] = process.argv.slice(2)
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
if (bench) {
  const figures = await bench(args)
  console.log(JSON.stringify(figures))
  process.exitCode = figures.ok ? 0 : 1
} else {
  console.error(`There is no bench ${JSON.stringify(name)}. Run: npm run bench -- ${Object.keys(benches).join('|')}`)
  process.exitCode = 2
}
