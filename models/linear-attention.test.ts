import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, Program } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { openWebgpu, webgpu } from '#engine/webgpu/engine.ts';
import { decayedAttention } from './decayed-attention.ts';
import { mixerLaws } from './laws.ts';
import { linearAttention } from './linear-attention.ts';

mixerLaws(linearAttention, [{}, { heads: 2, featureMap: 'relu', chunk: 4 }, { heads: 4, featureMap: 'identity', normaliser: 'rms', chunk: 3 }, { featureMap: 'elu', normaliser: 'none' }]);

/** Small whole numbers, whose sums of products float32 holds exactly. */
function exactly(L: number, chunk: number): { program: Program; expected: number[] } {
  const [B, H, N, P] = [2, 2, 5, 3];
  const whole = (seed: number, ...shape: number[]) => {
    const stream = rng(seed);
    return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => stream.below(7) - 3) };
  };
  const [q, k, v] = [whole(1, B, L, H, N), whole(2, B, L, H, N), whole(3, B, L, H, P)];
  const expected: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < L; t++) {
      for (let h = 0; h < H; h++) {
        for (let p = 0; p < P; p++) {
          let y = 0;
          for (let s = 0; s <= t; s++) for (let n = 0; n < N; n++) y += q.data[((b * L + t) * H + h) * N + n] * k.data[((b * L + s) * H + h) * N + n] * v.data[((b * L + s) * H + h) * P + p];
          expected.push(y);
        }
      }
    }
  }
  const call: Program['functions'][string] = (_, { q, k, v }) => ({ outputs: { y: decayedAttention(q, k, v, [1, 1], chunk), gradient: tf.grad((x: typeof v) => decayedAttention(q, k, x, [1, 1], chunk))(v, tf.onesLike(v)) } });
  return { program: { state: { q, k, v }, functions: { call } }, expected };
}

test('without decay SSD adds up whole numbers exactly, in every engine and with any chunk', async () => {
  const engines: Engine[] = [await openTfjs(), await openWasm({ threads: 2, poison: true })];
  if ((await webgpu.available()).ok) engines.push(await openWebgpu({ poison: true }));
  for (const engine of engines) {
    // a software adapter takes seconds for every shape
    for (const [L, chunk] of engine.describe().engine === 'webgpu' ? [[70, 64]] : [[1, 64], [37, 8], [130, 64]]) {
      const { program, expected } = exactly(L, chunk);
      const executable = engine.compile(program);
      const { y, gradient } = await executable.run('call', {}).read();
      expect([...y.data].map((e) => e + 0), `${engine.describe().engine} ${L} ${chunk}`).toEqual(expected.map((e) => e + 0));
      expect([...gradient.data].every(Number.isInteger)).toBe(true);
      executable.dispose();
    }
    await engine.close();
  }
});
