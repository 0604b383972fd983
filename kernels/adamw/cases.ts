/** Cases for the judge of AdamW. */
import { gaussian, type Case } from '../judge.ts';
import { adamW } from './op.ts';
import * as oracle from './oracle.ts';

export const attrs = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 };
const positive = (x: ReturnType<typeof gaussian>) => ({ ...x, data: x.data.map((v) => Math.fround(v * v)) });
/** lr and bias corrections of step t, as float32 */
export const hyperAt = (t: number, lr = 0.02) => ({ shape: [3], data: Float64Array.of(lr, 1 - attrs.beta1 ** t, 1 - attrs.beta2 ** t).map(Math.fround) });

export const cases: readonly Case[] = [[], [1], [3], [2, 65], [63, 5], [130, 127]].map((shape) => ({
  name: `[${shape}]`,
  inputs: [gaussian(1, ...shape), gaussian(2, ...shape), gaussian(3, ...shape), positive(gaussian(4, ...shape)), hyperAt(7)],
  call: ([p, g, m, v, hyper]) => Object.values(adamW(p, g, m, v, hyper, attrs)),
  oracle: ([p, g, m, v, hyper]) => oracle.adamW(p, g, m, v, hyper, attrs),
}));
