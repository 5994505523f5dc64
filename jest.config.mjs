/** Run as `node --disable-warning=ExperimentalWarning --experimental-vm-modules node_modules/jest/bin/jest.js [paths]`. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/operator/src', '<rootDir>/tools', '<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  maxWorkers: 2,
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2024', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
}
