/** A run is the same to the bit wherever V8 joins vectors and wherever it does not. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openWasm } from '#engine/wasm/engine.ts';
import { simdOf } from '#engine/wasm/runtime.ts';
import { trainWorkload } from './workloads/train.ts';

test.skipIf(simdOf() !== 'wide').each(['attention', 'mamba1', 'mamba2', 'deltanet', 'hyena'] as const)('%s trains to the same bits with and without', async (name) => {
  const sizes = { vocabSize: 90, dModel: 36, layers: 2, seqLen: 70, batch: 6, pairs: 8 };
  const open = trainWorkload.open(trainWorkload.resolve({ model: name, ...sizes }), { precision: 'fp32' });
  const [wide, relaxed] = await Promise.all((['wide', 'relaxed'] as const).map(async (simd) => {
    const engine = await openWasm({ threads: 1, simd });
    const executable = engine.compile(open.program());
    for (let step = 0; step < 12; step++) await executable.run(open.call, open.inputs(step)).read();
    const state = await executable.readState();
    await engine.close();
    return Object.fromEntries(Object.entries(state).map(([key, { data }]) => [key, createHash('sha256').update(Buffer.from(data.buffer, data.byteOffset, data.byteLength)).digest('hex')]));
  }));
  expect(wide).toEqual(relaxed);
});
