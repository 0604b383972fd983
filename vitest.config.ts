import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';

// where to write the report that continuous integration counts from
const report = process.env['VITEST_JSON'];

// without a GPU, WebGPU runs on the software adapter that Debian's package "chromium" brings along
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (process.env['VK_ICD_FILENAMES'] === undefined && process.env['VK_DRIVER_FILES'] === undefined && existsSync(software)) process.env['VK_ICD_FILENAMES'] = software;
process.env['XDG_RUNTIME_DIR'] ??= tmpdir();

export default defineConfig({
  resolve: { conditions: ['recallbench-source'] },
  ssr: { resolve: { conditions: ['recallbench-source'] } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**'],
    // a law trains on a software adapter: seconds on a quiet machine, minutes on a busy one
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
