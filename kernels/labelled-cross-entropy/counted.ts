/** Cross-entropy at labelled rows in counting loops; every row counts. */
import { gaussian } from '../judge.ts';
import { zeros } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { ints, labels } from './cases.ts';
import { LabelledCrossEntropy } from './op.ts';
import * as oracle from './oracle.ts';

export interface Sizes {
  readonly T: number;
  readonly D: number;
  readonly V: number;
  readonly R: number;
}

function forward(m: Tally, [hidden, table, rows, targets]: readonly CountedOperand[], { T, D, V, R }: Sizes, used: readonly boolean[]): Outputs {
  const outputs = [zeros(), zeros(R), zeros(R), zeros(T, D), zeros(V, D)] as const;
  const [loss, losses, predictions, dHidden, dTable] = outputs;
  const scored = used[0] || used[1];
  const differentiated = used[3] || used[4];
  for (let r = 0; r < R; r++) {
    const at = rows.at(r) * D;
    const logits = Array.from({ length: V }, (_, v) => m.dot(D, (d) => hidden.at(at + d), (d) => table.at(v * D + d)));
    const most = logits.reduce((a, b) => m.max(a, b), -Infinity);
    predictions.data[r] = logits.indexOf(most);
    if (!scored && !differentiated) continue;
    const target = targets.at(r);
    const e = logits.map((l) => m.exp(m.sub(l, most)));
    const sum = e.reduce((a, b) => m.add(a, b), 0);
    if (scored) losses.data[r] = m.sub(m.add(most, m.log(sum)), logits[target]);
    if (used[0]) loss.data[0] = m.add(loss.data[0], losses.data[r]);
    if (!differentiated) continue;
    const p = e.map((x) => m.div(x, sum));
    p[target] = m.sub(p[target], 1);
    p.forEach((x, v) => {
      const g = m.div(x, R);
      for (let d = 0; d < D; d++) {
        if (used[3]) dHidden.data[at + d] = m.madd(dHidden.data[at + d], g, table.at(v * D + d));
        if (used[4]) dTable.data[v * D + d] = m.madd(dTable.data[v * D + d], g, hidden.at(at + d));
      }
    });
  }
  if (used[0]) loss.data[0] = m.div(loss.data[0], R);
  return outputs.map((v, i) => (used[i] ? v : null));
}

export function countedCrossEntropy(sizes: Sizes, used: readonly boolean[] = [true, false, false, true, true]): CountedCase {
  const { T, D, V, R } = sizes;
  return counted({
    name: `LabelledCrossEntropy ${JSON.stringify(sizes)}, read ${used}`,
    op: LabelledCrossEntropy,
    attrs: {},
    inputs: [gaussian(1, T, D), gaussian(2, V, D), labels(3, T, R, V).rows, ints(...Array.from({ length: R }, (_, r) => (5 * r) % V))],
    used,
    loops: (m, inputs) => forward(m, inputs, sizes, used),
    oracle: ([hidden, table, rows, targets]) => {
      const { loss, losses, predictions } = oracle.labelledCrossEntropy(hidden, table, rows, targets);
      const { dHidden, dTable } = oracle.labelledCrossEntropyGradient(hidden, table, rows, targets, 1);
      return [loss, losses, predictions, dHidden, dTable].map((v, i) => (used[i] ? v : null));
    },
  });
}

const sizes: readonly Sizes[] = [
  { T: 1, D: 1, V: 1, R: 1 },
  { T: 21, D: 7, V: 13, R: 5 },
  { T: 9, D: 3, V: 5, R: 9 },
];
const [o, x] = [false, true];

/** Training, evaluation, the loss alone, each gradient alone, predictions alone, everything. */
const uses = [[x, o, o, x, x], [o, x, x, o, o], [x, o, o, o, o], [o, o, o, x, o], [o, o, o, o, x], [o, o, x, o, o], [x, x, x, x, x]];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => uses.map((used) => countedCrossEntropy(s, used)));
