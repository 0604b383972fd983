#!/usr/bin/env node
// Every fused op against its float64 oracle on the GPU at hand, as the tests do on the software adapter: for hardware without the test runner.
//
//     node bench/laws.js [--only ssd]
//
// Prints the worst RMS ratio of each op and form, and fails where one is out of bounds.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { gpuForms, judge } from '../dist/kernels/judge.js';
import { cases as adamw } from '../dist/kernels/adamw/cases.js';
import { gpuCases as attention } from '../dist/kernels/causal-attention/cases.js';
import { cases as conv } from '../dist/kernels/causal-conv/cases.js';
import { cases as deltaRule } from '../dist/kernels/delta-rule/cases.js';
import { cases as embedding } from '../dist/kernels/embedding/cases.js';
import { cases as head } from '../dist/kernels/labelled-cross-entropy/cases.js';
import { cases as longConv } from '../dist/kernels/long-conv/cases.js';
import { cases as norms } from '../dist/kernels/rms-norm/cases.js';
import { cases as scan, tiledCases as longScans } from '../dist/kernels/selective-scan/cases.js';
import { cases as ssd } from '../dist/kernels/ssd/cases.js';

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const ops = { adamw, 'causal-attention': attention, 'causal-conv': conv, 'delta-rule': deltaRule, embedding, 'labelled-cross-entropy': head, 'long-conv': longConv, 'rms-norm': norms, 'selective-scan': [...scan, ...longScans], ssd };
const forms = await gpuForms();
if (forms.length === 0) {
  process.stderr.write('no WebGPU adapter\n');
  process.exit(3);
}
process.stdout.write(`${JSON.stringify(forms[0].engine.describe())}\n`);
const table = new Table({ head: ['op', 'form', 'cases', 'worst RMS ratio', 'bound', 'where'], style: { head: [], border: [], compact: true } });
let failed = 0;
for (const [op, cases] of Object.entries(ops)) {
  if (values.only !== undefined && values.only !== op) continue;
  for (const { name, engine, bound } of forms) {
    let worst = { ratio: 0, where: '' };
    // some at a time: most of the time goes into compiling, which many threads share
    const waiting = [...cases];
    const take = async () => {
      for (let c = waiting.shift(); c !== undefined; c = waiting.shift()) {
        try {
          for (const [what, ratio] of Object.entries(await judge(engine, c))) if (!(ratio <= worst.ratio)) worst = { ratio, where: `${c.name}, ${what}` };
        } catch (error) {
          failed++;
          process.stdout.write(`${op}, ${name}, ${c.name}: ${error.message}\n`);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, take));
    if (!(worst.ratio < bound)) failed++;
    table.push([op, name, cases.length, worst.ratio.toExponential(1), bound, worst.where]);
  }
}
process.stdout.write(`${table.toString()}\n${failed === 0 ? 'all within bounds' : `${failed} failed`}\n`);
process.exit(failed === 0 ? 0 : 1);
