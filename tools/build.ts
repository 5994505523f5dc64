// `npm run build`: the mains as they ship, each with all that it needs, in dist/. What is seldom needed lies in files of its own.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')

/** Where `buildMains` puts a main. */
export function builtMain(name: 'hub' | 'agent' | 'leave'): string {
  return join(root, 'dist', `${name}.mjs`)
}

/** Compared with the sources, a built hub starts in half the time and is some 25 MiB smaller: nothing is compiled while it runs. */
export async function buildMains(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['hub', 'agent', 'leave'].map((name) => `operator/src/${name}.ts`),
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    // CommonJS packages inside still call require for what Node itself has.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildMains()
