/** Jest runs TypeScript ES modules through swc; see CONTRIBUTING.md for the one command. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // For what hangs; a test waits for less by itself, and says for what: see test/support/until.ts.
  testTimeout: 300_000,
  reporters: ['default', '<rootDir>/test/support/progress-reporter.ts', '<rootDir>/test/support/summary-reporter.ts'],
};
