/** An AdamW step in a counting loop. */
import { gaussian } from '../judge.ts';
import { zeros } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { AdamW, type AdamWAttrs } from './op.ts';
import * as oracle from './oracle.ts';

function step(m: Tally, [param, gradient, mean, square, hyper]: readonly CountedOperand[], shape: readonly number[], { beta1, beta2, epsilon, weightDecay }: AdamWAttrs): Outputs {
  const outputs = [zeros(...shape), zeros(...shape), zeros(...shape)] as const;
  const [lr, c1, c2] = [0, 1, 2].map((i) => hyper.at(i));
  const kept = m.sub(1, m.mul(lr, weightDecay));
  const rate = m.div(lr, c1);
  for (let i = 0; i < outputs[0].data.length; i++) {
    const g = gradient.at(i);
    const first = m.add(m.mul(beta1, mean.at(i)), m.mul(1 - beta1, g));
    const second = m.add(m.mul(beta2, square.at(i)), m.mul(1 - beta2, m.mul(g, g)));
    const move = m.div(m.mul(first, rate), m.add(m.sqrt(m.div(second, c2)), epsilon));
    outputs[0].data[i] = m.sub(m.mul(param.at(i), kept), move);
    outputs[1].data[i] = first;
    outputs[2].data[i] = second;
  }
  return outputs;
}

export function countedAdamW(...shape: number[]): CountedCase {
  const attrs: AdamWAttrs = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 };
  const v = gaussian(4, ...shape);
  return counted({
    name: `AdamW [${shape}]`,
    op: AdamW,
    attrs,
    inputs: [gaussian(1, ...shape), gaussian(2, ...shape), gaussian(3, ...shape), { shape, data: v.data.map((x) => x * x) }, { shape: [3], data: Float64Array.of(1e-2, 0.1, 1e-3) }],
    used: [true, true, true],
    loops: (m, inputs) => step(m, inputs, shape, attrs),
    oracle: ([param, gradient, mean, square, hyper]) => oracle.adamW(param, gradient, mean, square, hyper, attrs),
  });
}

export const countedCases: readonly CountedCase[] = [countedAdamW(1), countedAdamW(7, 3), countedAdamW(2, 1, 5)];
