// Holds the floors of the design: imports go down only, never sideways, and cross-floor imports use package subpaths.
// tfjs is imported under engine/ only; WebAssembly and Dawn under engine/ and kernels/ only; only cli/ prints.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const below = {
  core: [],
  engine: ['core'],
  tasks: ['core'],
  results: ['core'],
  kernels: ['engine', 'core'],
  models: ['kernels', 'engine', 'core'],
  reports: ['results', 'core'],
  harness: ['models', 'kernels', 'tasks', 'results', 'engine', 'core'],
  cli: ['harness', 'reports', 'models', 'kernels', 'tasks', 'results', 'engine', 'core'],
};

const problems = [];
for (const [floor, allowed] of Object.entries(below)) {
  for (const name of readdirSync(floor, { recursive: true }).map(String)) {
    const file = join(floor, name);
    if (!/\.(ts|js)$/.test(name) || name.endsWith('.as.ts')) continue;
    const text = readFileSync(file, 'utf8');
    const complain = (index, what) => problems.push(`${file}:${text.slice(0, index).split('\n').length}: ${what}`);
    for (const match of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)) {
      const target = match[1];
      const subpath = /^#(\w+)\//.exec(target)?.[1];
      if (subpath !== undefined && subpath !== floor && !allowed.includes(subpath)) complain(match.index, `${floor}/ must not import ${subpath}/`);
      if (subpath === floor) complain(match.index, `inside ${floor}/ imports are relative`);
      if (target.startsWith('.') && !normalize(join(dirname(file), target)).startsWith(floor)) complain(match.index, `an import across floors is written #${target.replace(/^(\.\.?\/)+/, '')}`);
      if (target.startsWith('@tensorflow/') && floor !== 'engine') complain(match.index, `tfjs comes from #engine/tf.ts`);
      if (target === 'webgpu' && floor !== 'engine' && floor !== 'kernels') complain(match.index, 'Dawn is for engine/ and kernels/');
    }
    if (floor !== 'engine' && floor !== 'kernels') for (const match of text.matchAll(/\bWebAssembly\./g)) complain(match.index, 'WebAssembly is for engine/ and kernels/');
    if (floor !== 'cli') for (const match of text.matchAll(/\bconsole\.\w+\(|process\.stdout\.write/g)) complain(match.index, 'only cli/ prints');
  }
}
if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n${problems.length} breaches of the floors\n`);
  process.exit(1);
}
process.stdout.write('floors hold\n');
