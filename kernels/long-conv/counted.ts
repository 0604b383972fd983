/** The long convolution and its gradients in counting loops: the transform modulo z^N − i by halving, one channel at a time. */
import { gaussian } from '../judge.ts';
import { zeros } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { longConvGradientOp, longConvOp } from './op.ts';
import { longConvGradientOracle, longConvOracle } from './oracle.ts';
import { longConvSizes, type LongConvSizes } from './sizes.ts';

interface Complex {
  readonly re: number;
  readonly im: number;
}
/** a root e^{iφ}; halving a node of z^M = e^{2iφ} takes c = e^{iφ} */
const root = (angle: number): Complex => ({ re: Math.cos(angle), im: Math.sin(angle) });
const conj = ({ re, im }: Complex): Complex => ({ re, im: -im });
const mul = (m: Tally, a: Complex, b: Complex): Complex => ({ re: m.sub(m.mul(a.re, b.re), m.mul(a.im, b.im)), im: m.add(m.mul(a.re, b.im), m.mul(a.im, b.re)) });
const add = (m: Tally, a: Complex, b: Complex): Complex => ({ re: m.add(a.re, b.re), im: m.add(a.im, b.im) });
const sub = (m: Tally, a: Complex, b: Complex): Complex => ({ re: m.sub(a.re, b.re), im: m.sub(a.im, b.im) });

/** Values of a polynomial, by its coefficients, at the roots of z^M = e^{i·angle}, in the order of the tree. */
function there(m: Tally, coefficients: readonly Complex[], angle: number): Complex[] {
  const M = coefficients.length;
  if (M === 1) return [...coefficients];
  const c = root(angle / 2);
  const halves = [coefficients.slice(0, M / 2), coefficients.slice(M / 2)];
  const far = halves[1].map((high) => mul(m, c, high));
  return [...there(m, halves[0].map((low, i) => add(m, low, far[i])), angle / 2), ...there(m, halves[0].map((low, i) => sub(m, low, far[i])), angle / 2 + Math.PI)];
}

/** The first level, of real coefficients. */
function thereFromReal(m: Tally, rows: readonly number[]): Complex[] {
  const M = rows.length;
  const c = root(Math.PI / 4);
  const far = rows.slice(M / 2).map((x): Complex => ({ re: m.mul(c.re, x), im: m.mul(c.im, x) }));
  const sum = far.map(({ re, im }, i): Complex => ({ re: m.add(rows[i], re), im }));
  const difference = far.map(({ re, im }, i): Complex => ({ re: m.sub(rows[i], re), im: m.sub(0, im) }));
  return [...there(m, sum, Math.PI / 4), ...there(m, difference, Math.PI / 4 + Math.PI)];
}

/** The way back, without the halves. */
function back(m: Tally, values: readonly Complex[], angle: number): Complex[] {
  const M = values.length;
  if (M === 1) return [...values];
  const a = back(m, values.slice(0, M / 2), angle / 2);
  const b = back(m, values.slice(M / 2), angle / 2 + Math.PI);
  const c = conj(root(angle / 2));
  return [...a.map((x, i) => add(m, x, b[i])), ...a.map((x, i) => mul(m, c, sub(m, x, b[i])))];
}

/** Its last level, of which the real parts are wanted. */
function backToReal(m: Tally, values: readonly Complex[]): number[] {
  const M = values.length;
  const a = back(m, values.slice(0, M / 2), Math.PI / 4);
  const b = back(m, values.slice(M / 2), Math.PI / 4 + Math.PI);
  const c = conj(root(Math.PI / 4));
  const far = a.map((x, i) => sub(m, x, b[i]));
  return [...a.map((x, i) => m.add(x.re, b[i].re)), ...far.map((x) => m.sub(m.mul(c.re, x.re), m.mul(c.im, x.im)))];
}

const scaled = (m: Tally, values: readonly Complex[]): Complex[] => values.map(({ re, im }) => ({ re: m.mul(re, 1 / values.length), im: m.mul(im, 1 / values.length) }));

/** Rows of a channel of a sequence (of h: the only one), zeros beyond the last. */
const channel = (x: CountedOperand, { L, C, N }: LongConvSizes, b: number, c: number) => Array.from({ length: N }, (_, t) => (t < L ? x.at((b * L + t) * C + c) : 0));

function forward(m: Tally, [u, h]: readonly CountedOperand[], sizes: LongConvSizes): Outputs {
  const { B, L, C } = sizes;
  const y = zeros(B, L, C);
  for (let c = 0; c < C; c++) {
    const filter = scaled(m, thereFromReal(m, channel(h, sizes, 0, c)));
    for (let b = 0; b < B; b++) {
      const product = thereFromReal(m, channel(u, sizes, b, c)).map((x, i) => mul(m, x, filter[i]));
      backToReal(m, product).slice(0, L).forEach((x, t) => (y.data[(b * L + t) * C + c] = x));
    }
  }
  return [y];
}

function gradient(m: Tally, [dy, u, h]: readonly CountedOperand[], sizes: LongConvSizes): Outputs {
  const { B, L, C, N } = sizes;
  const [du, dh] = [zeros(B, L, C), zeros(L, C)];
  for (let c = 0; c < C; c++) {
    const filter = scaled(m, thereFromReal(m, channel(h, sizes, 0, c)));
    let sum: Complex[] = new Array<Complex>(N).fill({ re: 0, im: 0 });
    for (let b = 0; b < B; b++) {
      const slopes = thereFromReal(m, channel(dy, sizes, b, c));
      const own = thereFromReal(m, channel(u, sizes, b, c));
      backToReal(m, slopes.map((x, i) => mul(m, x, conj(filter[i])))).slice(0, L).forEach((x, t) => (du.data[(b * L + t) * C + c] = x));
      sum = sum.map((x, i) => add(m, x, mul(m, slopes[i], conj(own[i]))));
    }
    backToReal(m, scaled(m, sum)).slice(0, L).forEach((x, t) => (dh.data[t * C + c] = x));
  }
  return [du, dh];
}

function both(B: number, L: number, C: number): CountedCase[] {
  const [u, h, dy] = [gaussian(1, B, L, C), gaussian(2, L, C), gaussian(3, B, L, C)];
  const sizes = longConvSizes(u);
  return [
    counted({ name: `LongConv B${B} L${L} C${C}`, op: longConvOp, attrs: {}, inputs: [u, h], used: [true], loops: (m, inputs) => forward(m, inputs, sizes), oracle: ([x, f]) => [longConvOracle(x, f)] }),
    counted({
      name: `LongConvGradient B${B} L${L} C${C}`, op: longConvGradientOp, attrs: {}, inputs: [dy, u, h], used: [true, true],
      loops: (m, inputs) => gradient(m, inputs, sizes), oracle: ([g, x, f]) => longConvGradientOracle(x, f, g),
    }),
  ];
}

export const countedCases: readonly CountedCase[] = [both(1, 1, 1), both(2, 4, 3), both(3, 19, 2), both(1, 33, 1)].flat();
