/** The causal convolution and its gradient in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Tally } from '../tally.ts';
import { causalConvGradientOp, causalConvOp } from './op.ts';
import { causalConvGradientOracle, causalConvOracle } from './oracle.ts';

export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly C: number;
  readonly W: number;
}

/** Calls `visit` for every product of an element of y: the tap and the element of x, which lies in the sequence. */
function eachProduct({ L, C, W }: Sizes, i: number, visit: (tap: number, from: number) => void): void {
  const c = i % C;
  const t = Math.floor(i / C) % L;
  for (let j = 0; j < W; j++) {
    const back = W - 1 - j;
    if (back <= t) visit(c * W + j, i - back * C);
  }
}

function preActivation(m: Tally, x: CountedOperand, weight: CountedOperand, bias: CountedOperand, sizes: Sizes, i: number): number {
  let v = bias.at(i % sizes.C);
  eachProduct(sizes, i, (tap, from) => (v = m.madd(v, weight.at(tap), x.at(from))));
  return v;
}

function forward(m: Tally, [x, weight, bias]: readonly CountedOperand[], sizes: Sizes, silu: boolean): NdArray[] {
  const y = zeros(sizes.B, sizes.L, sizes.C);
  for (let i = 0; i < y.data.length; i++) {
    const v = preActivation(m, x, weight, bias, sizes, i);
    y.data[i] = silu ? m.mul(v, m.sigmoid(v)) : v;
  }
  return [y];
}

function gradient(m: Tally, [dy, x, weight, bias]: readonly CountedOperand[], sizes: Sizes, silu: boolean): NdArray[] {
  const { B, L, C, W } = sizes;
  const [dx, dw, db] = [zeros(B, L, C), zeros(C, W), zeros(C)];
  for (let i = 0; i < dx.data.length; i++) {
    let g = dy.at(i);
    if (silu) {
      const v = preActivation(m, x, weight, bias, sizes, i);
      const s = m.sigmoid(v);
      g = m.mul(g, m.mul(s, m.add(1, m.mul(v, m.sub(1, s)))));
    }
    db.data[i % C] = m.add(db.data[i % C], g);
    eachProduct(sizes, i, (tap, from) => {
      dx.data[from] = m.madd(dx.data[from], weight.at(tap), g);
      dw.data[tap] = m.madd(dw.data[tap], x.at(from), g);
    });
  }
  return [dx, dw, db];
}

const dataOf = ({ B, L, C, W }: Sizes) => [gaussian(1, B, L, C), gaussian(2, C, W), gaussian(3, C)];
const activation = (silu: boolean) => (silu ? 'silu' : 'none');

export function countedConv(sizes: Sizes, silu = true): CountedCase {
  return counted({
    name: `CausalConv ${JSON.stringify(sizes)} ${activation(silu)}`,
    op: causalConvOp,
    attrs: { silu },
    inputs: dataOf(sizes),
    used: [true],
    loops: (m, inputs) => forward(m, inputs, sizes, silu),
    oracle: ([x, weight, bias]) => [causalConvOracle(x, weight, bias, activation(silu))],
  });
}

export function countedConvGradient(sizes: Sizes, silu = true): CountedCase {
  return counted({
    name: `CausalConvGradient ${JSON.stringify(sizes)} ${activation(silu)}`,
    op: causalConvGradientOp,
    attrs: { silu },
    inputs: [gaussian(4, sizes.B, sizes.L, sizes.C), ...dataOf(sizes)],
    used: [true, true, true],
    loops: (m, inputs) => gradient(m, inputs, sizes, silu),
    oracle: ([dy, x, weight, bias]) => causalConvGradientOracle(x, weight, bias, dy, activation(silu)),
  });
}

const sizes: readonly Sizes[] = [
  { B: 1, L: 1, C: 1, W: 4 },
  { B: 2, L: 3, C: 5, W: 8 },
  { B: 3, L: 17, C: 3, W: 4 },
  { B: 1, L: 9, C: 2, W: 1 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => [true, false].flatMap((silu) => [countedConv(s, silu), countedConvGradient(s, silu)]));
