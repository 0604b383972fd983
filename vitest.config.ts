import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// where to write the report that continuous integration counts from
const report = process.env['VITEST_JSON'];

// without a GPU, WebGPU runs on the software adapter that Debian's package "chromium" brings along
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (process.env['VK_ICD_FILENAMES'] === undefined && process.env['VK_DRIVER_FILES'] === undefined && existsSync(software)) process.env['VK_ICD_FILENAMES'] = software;
if (process.env['VK_ICD_FILENAMES'] === software) process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --import ${new URL('tools/patient-polling.js', import.meta.url).href}`;
process.env['XDG_RUNTIME_DIR'] ??= tmpdir();

/** The longest files: those that compile most for the software adapter, then the real command line. */
const longest = [/\/(causal-attention|ssd|selective-scan)\/laws|harness\/laws/, /\/(laws|decoding|webgpu-matrix)\.test/, /\/cli\//];

/** Starts with the longest files, so that no core waits for the last of them. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const first = longest.map((name) => sorted.filter(({ moduleId }) => name.test(moduleId)));
    return [...new Set([...first.flat(), ...sorted])];
  }
}

export default defineConfig({
  resolve: { conditions: ['recallbench-source'] },
  ssr: { resolve: { conditions: ['recallbench-source'] } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**'],
    // a law trains on a software adapter: seconds on a quiet machine, minutes on a busy one
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
