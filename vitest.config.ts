import { defineConfig } from 'vitest/config';

// where to write the report that continuous integration counts from
const report = process.env['VITEST_JSON'];

export default defineConfig({
  resolve: { conditions: ['recallbench-source'] },
  ssr: { resolve: { conditions: ['recallbench-source'] } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
