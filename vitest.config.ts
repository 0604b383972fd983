import { defineConfig } from 'vitest/config';

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
  },
});
