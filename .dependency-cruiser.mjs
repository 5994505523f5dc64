/**
 * api ← domain ← controllers ← adapters ← mains. Mains are the files directly in operator/src, but config.ts.
 * `test/house/direction.test.ts` shows that each of these rules bites.
 */
const mains = '^operator/src/(?!config[.])[^/]+[.]ts$'
const unitTests = '[.]test[.]ts$'
const inPackage = (name) => `(^|/)node_modules/${name}/`

export default {
  forbidden: [
    {
      name: 'api-imports-zod-and-itself',
      severity: 'error',
      from: { path: '^operator/src/api/', pathNot: [unitTests, '/generate-crds[.]ts$'] },
      to: { pathNot: ['^operator/src/api/', inPackage('zod')] },
    },
    {
      name: 'crd-generator-writes-yaml-files-only',
      severity: 'error',
      from: { path: '^operator/src/api/generate-crds[.]ts$' },
      to: {
        pathNot: [
          '^operator/src/api/',
          inPackage('zod'),
          inPackage('js-yaml'),
          inPackage('@types/js-yaml'),
          '^(node:)?(fs|path|url|process)',
        ],
      },
    },
    {
      name: 'domain-imports-api-and-itself',
      severity: 'error',
      from: { path: '^operator/src/domain/', pathNot: unitTests },
      to: { pathNot: '^operator/src/(api|domain)/' },
    },
    {
      name: 'controllers-import-no-package',
      severity: 'error',
      from: { path: '^operator/src/controllers/', pathNot: unitTests },
      to: { path: '(^|/)node_modules/' },
    },
    {
      name: 'hub-and-agent-are-strangers',
      severity: 'error',
      from: { path: '^operator/src/controllers/(hub|agent)/' },
      to: { path: '^operator/src/controllers/(hub|agent)/', pathNot: '^operator/src/controllers/$1/' },
    },
    {
      name: 'only-mains-name-adapters',
      severity: 'error',
      from: { path: '^operator/src/', pathNot: ['^operator/src/adapters/', mains] },
      to: { path: '^operator/src/adapters/' },
    },
    {
      name: 'nobody-imports-a-main',
      severity: 'error',
      from: { path: '^operator/src/.+/' },
      to: { path: mains },
    },
    {
      name: 'controllers-know-no-config',
      severity: 'error',
      from: { path: '^operator/src/controllers/' },
      to: { path: '^operator/src/config[.]ts$' },
    },
    {
      name: 'client-node-in-one-adapter',
      severity: 'error',
      from: { pathNot: ['^operator/src/adapters/kubernetes/', 'node_modules'] },
      to: { path: inPackage('@kubernetes/client-node') },
    },
    {
      name: 'operator-knows-no-tests-or-tools',
      severity: 'error',
      from: { path: '^operator/src/', pathNot: unitTests },
      to: { path: '^(test|tools)/' },
    },
    {
      name: 'unit-tests-know-builders-and-fakes',
      severity: 'error',
      from: { path: '^operator/src/.*[.]test[.]ts$' },
      to: { path: '^(test|tools)/', pathNot: '^test/(builders|fakes)/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      conditionNames: ['import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
}
