#!/usr/bin/env node
// Every benchmark of a device as one program, to be bundled into one file for a host without npm: node bench/all.js laws | step … | gemm … | ops … | tasks … | here …
const [what] = process.argv.splice(2, 1);
const programs = {
  laws: () => import('./laws.js'),
  step: () => import('./step.js'),
  gemm: () => import('./gemm.js'),
  ops: () => import('./ops.js'),
  tasks: () => import('./tasks.js'),
  here: () => import('./here.js'),
};
if (programs[what] === undefined) {
  process.stderr.write(`one of: ${Object.keys(programs).join(', ')}\n`);
  process.exit(2);
}
await programs[what]();
