/** RMS normalisation, plain and gated, and the gradients in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Tally } from '../tally.ts';
import { gatedRmsNormGradientOp, gatedRmsNormOp, rmsNormGradientOp, rmsNormOp } from './op.ts';
import { gatedRmsNormGradientOracle, gatedRmsNormOracle, rmsNormGradientOracle, rmsNormOracle } from './oracle.ts';
import type { NormAttrs } from './portable.ts';

/** rows × D in slices of D / groups. */
export interface Sizes {
  readonly rows: number;
  readonly D: number;
  readonly groups: number;
}

type At = (i: number) => number;

const inverseRms = (m: Tally, v: readonly number[], epsilon: number): number => m.rsqrt(m.add(m.div(m.dot(v.length, (i) => v[i], (i) => v[i]), v.length), epsilon));

/** Runs over the slices of v, which is made of them once; `visit` gets each with the place of its first element and weight. */
function eachSlice({ rows, D, groups }: Sizes, v: At, visit: (slice: number[], at: number, weightAt: number) => void): void {
  const size = D / groups;
  for (let at = 0; at < rows * D; at += size) visit(Array.from({ length: size }, (_, i) => v(at + i)), at, at % D);
}

function forward(m: Tally, v: At, weight: CountedOperand, sizes: Sizes, epsilon: number): NdArray[] {
  const y = zeros(sizes.rows, sizes.D);
  eachSlice(sizes, v, (slice, at, weightAt) => {
    const r = inverseRms(m, slice, epsilon);
    slice.forEach((x, i) => (y.data[at + i] = m.mul(m.mul(x, r), weight.at(weightAt + i))));
  });
  return [y];
}

/** Gradients of v and the weight. */
function gradient(m: Tally, dy: CountedOperand, v: At, weight: CountedOperand, sizes: Sizes, epsilon: number): [NdArray, NdArray] {
  const [dv, dw] = [zeros(sizes.rows, sizes.D), zeros(sizes.D)];
  eachSlice(sizes, v, (slice, at, weightAt) => {
    const r = inverseRms(m, slice, epsilon);
    const u = slice.map((_, i) => m.mul(weight.at(weightAt + i), dy.at(at + i)));
    const k = m.mul(m.mul(r, r), m.div(m.dot(slice.length, (i) => slice[i], (i) => u[i]), slice.length));
    slice.forEach((x, i) => {
      dv.data[at + i] = m.mul(r, m.sub(u[i], m.mul(x, k)));
      dw.data[weightAt + i] = m.madd(dw.data[weightAt + i], m.mul(dy.at(at + i), x), r);
    });
  });
  return [dv, dw];
}

function gatedGradient(m: Tally, [dy, x, z, weight]: readonly CountedOperand[], sizes: Sizes, epsilon: number): NdArray[] {
  const all = Array.from({ length: sizes.rows * sizes.D }, (_, i) => i);
  const sigmoid = all.map((i) => m.sigmoid(z.at(i)));
  const gate = all.map((i) => m.mul(z.at(i), sigmoid[i]));
  const [dv, dw] = gradient(m, dy, (i) => m.mul(x.at(i), gate[i]), weight, sizes, epsilon);
  const [dx, dz] = [zeros(sizes.rows, sizes.D), zeros(sizes.rows, sizes.D)];
  for (const i of all) {
    dx.data[i] = m.mul(dv.data[i], gate[i]);
    dz.data[i] = m.mul(m.mul(dv.data[i], x.at(i)), m.add(sigmoid[i], m.mul(gate[i], m.sub(1, sigmoid[i]))));
  }
  return [dx, dz, dw];
}

const attrsOf = ({ groups }: Sizes): NormAttrs => ({ epsilon: 1e-5, groups });
const full = (seed: number, { rows, D }: Sizes) => gaussian(seed, rows, D);
const common = (name: string, sizes: Sizes, outputs: number) => ({ name: `${name} ${JSON.stringify(sizes)}`, attrs: attrsOf(sizes), used: new Array<boolean>(outputs).fill(true) });

export function countedNorm(sizes: Sizes): CountedCase {
  return counted({
    ...common('RmsNorm', sizes, 1),
    op: rmsNormOp,
    inputs: [full(1, sizes), gaussian(2, sizes.D)],
    loops: (m, [x, weight]) => forward(m, (i) => x.at(i), weight, sizes, 1e-5),
    oracle: ([x, weight]) => [rmsNormOracle(x, weight, attrsOf(sizes))],
  });
}

export function countedNormGradient(sizes: Sizes): CountedCase {
  return counted({
    ...common('RmsNormGradient', sizes, 2),
    op: rmsNormGradientOp,
    inputs: [full(3, sizes), full(1, sizes), gaussian(2, sizes.D)],
    loops: (m, [dy, x, weight]) => gradient(m, dy, (i) => x.at(i), weight, sizes, 1e-5),
    oracle: ([dy, x, weight]) => rmsNormGradientOracle(x, weight, dy, attrsOf(sizes)),
  });
}

export function countedGatedNorm(sizes: Sizes): CountedCase {
  return counted({
    ...common('GatedRmsNorm', sizes, 1),
    op: gatedRmsNormOp,
    inputs: [full(1, sizes), full(4, sizes), gaussian(2, sizes.D)],
    loops: (m, [x, z, weight]) => forward(m, (i) => m.mul(x.at(i), m.mul(z.at(i), m.sigmoid(z.at(i)))), weight, sizes, 1e-5),
    oracle: ([x, z, weight]) => [gatedRmsNormOracle(x, z, weight, attrsOf(sizes))],
  });
}

export function countedGatedNormGradient(sizes: Sizes): CountedCase {
  return counted({
    ...common('GatedRmsNormGradient', sizes, 3),
    op: gatedRmsNormGradientOp,
    inputs: [full(3, sizes), full(1, sizes), full(4, sizes), gaussian(2, sizes.D)],
    loops: (m, inputs) => gatedGradient(m, inputs, sizes, 1e-5),
    oracle: ([dy, x, z, weight]) => gatedRmsNormGradientOracle(x, z, weight, dy, attrsOf(sizes)),
  });
}

const sizes: readonly Sizes[] = [
  { rows: 1, D: 1, groups: 1 },
  { rows: 7, D: 5, groups: 1 },
  { rows: 3, D: 12, groups: 4 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => [countedNorm(s), countedNormGradient(s), countedGatedNorm(s), countedGatedNormGradient(s)]);
