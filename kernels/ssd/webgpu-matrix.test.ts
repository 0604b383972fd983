/** The form of SSD by subgroup matrices on a software adapter that has neither float16 nor matrices: both are acted out. */
import { describe, expect, it } from 'vitest';
import { callFused, type FusedOp, type GpuKernel, type Operand } from '#engine/fused-op.ts';
import { openWebgpu, webgpu } from '#engine/webgpu/engine.ts';
import { acted, compileErrors, h100, placeless } from '#engine/webgpu/stand-in.ts';
import { judge } from '../judge.ts';
import { caseOf, type Sizes as CaseSizes } from './cases.ts';
import { ssdOp } from './op.ts';
import { sizesOf, type Sizes } from './sizes.ts';
import { byMatrices, matrixForward } from './webgpu-matrix.ts';

const op: FusedOp<{ readonly chunk: number }> = {
  ...ssdOp,
  name: 'ActedSsd',
  webgpu: (l) => matrixForward({ ...l, buffer: (...shape) => l.buffer(...shape), dispatch: (kernel) => l.dispatch(acted(kernel, { size: 16, lanes: 32 })) }, sizesOf(l.inputs)),
};

const cases: readonly [string, Partial<CaseSizes>][] = [
  ['one chunk', { L: 64, P: 16, N: 16 }],
  ['less than a row of matrices', { L: 5, P: 32, N: 32 }],
  ['groups, sequences, chunks and a rest', { B: 2, L: 150, H: 4, P: 32, G: 2, N: 16, decay: 'mixed' }],
  ['as many matrices of the state as no subgroup shares', { L: 160, H: 2, P: 16, N: 48, decay: 'strong' }],
  ['slices of a head', { L: 130, H: 2, P: 96, N: 16, decay: 'weak' }],
  ['two rows of matrices to a subgroup', { L: 100, H: 2, P: 64, N: 32 }],
];
const there = await webgpu.available();
describe.skipIf(!there.ok).each(cases)('equals the recurrence in float64: %s', (_, sizes) => {
  it.each(['both', 'y', 'the last state'])('%s', async (which) => {
    const engine = await openWebgpu({ validate: true, poison: true });
    try {
      const { oracle, ...test } = caseOf({ B: 1, L: 64, H: 1, P: 16, G: 1, N: 16, chunk: 64, decay: 'ordinary', ...sizes }, 'chunked');
      const pick = <T>([y, last]: readonly T[]): T[] => (which === 'both' ? [y, last] : which === 'y' ? [y] : [last]);
      const ratios = await judge(engine, { name: test.name, inputs: test.inputs, call: (x) => pick(callFused(op, x, { chunk: 64 })), oracle: (x) => pick(oracle(x)) });
      for (const ratio of Object.values(ratios)) expect(ratio).toBeLessThan(1e-3);
    } finally {
      await engine.close();
    }
  });
});

it('compiles', async () => {
  const kernels: GpuKernel[] = [];
  const unused = (...shape: number[]): Operand => ({ shape, used: false, zero: false, at: () => unused(...shape) });
  for (const N of [16, 48, 64, 128]) {
    for (const P of [16, 48, 64, 128]) {
      for (const L of [37, 64, 150]) {
        for (const [y, last] of [[true, true], [true, false], [false, true]]) {
          const s: Sizes = { B: 2, L, H: 4, P, G: 2, N };
          expect(byMatrices(s, 64, h100)).toBe(true);
          matrixForward(
            {
              gpu: h100, buffer: placeless, dispatch: (k) => kernels.push(k), copy: () => expect.fail('SSD copies nothing'),
              inputs: [placeless(2, L, 4, P), placeless(2, L, 4), placeless(4), placeless(2, L, 2, N), placeless(2, L, 2, N), placeless(4)],
              outputs: [(y ? placeless : unused)(2, L, 4, P), (last ? placeless : unused)(2, 4, P, N)],
            },
            s,
          );
        }
      }
    }
  }
  expect(await compileErrors(kernels)).toEqual([]);
});
