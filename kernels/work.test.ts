/** The counted work of every fused op equals what its equation in counting loops does, and those loops compute the op. */
import { describe, expect, it } from 'vitest';
import { callFused } from '#engine/fused-op.ts';
import { workOf } from '#engine/program-work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import { countedCases as adamW } from './adamw/counted.ts';
import { countedCases as cachedAttention } from './cached-attention/counted.ts';
import { countedCases as attention } from './causal-attention/counted.ts';
import { countedCases as conv } from './causal-conv/counted.ts';
import { countedCases as deltaRule } from './delta-rule/counted.ts';
import { countedCases as embedding } from './embedding/counted.ts';
import { rmsRatio } from './judge.ts';
import { countedCases as crossEntropy } from './labelled-cross-entropy/counted.ts';
import { countedCases as longConv } from './long-conv/counted.ts';
import { countedCases as norm } from './rms-norm/counted.ts';
import { countedCases as scan } from './selective-scan/counted.ts';
import { countedCases as ssd } from './ssd/counted.ts';
import { tallied, type CountedCase } from './tally.ts';

/** The work of a program that is one op. */
function captured({ op, attrs, inputs, used }: CountedCase) {
  const specs = Object.fromEntries(inputs.map(({ shape, data }, i): [string, TensorSpec] => [`x${i}`, { shape, dtype: data instanceof Int32Array ? 'int32' : 'float32' }]));
  return workOf((t) => {
    const outputs = callFused(op, inputs.map((_, i) => t[`x${i}`]), attrs);
    return { outputs: Object.fromEntries(outputs.flatMap((y, i) => (used[i] ? [[`y${i}`, y]] : []))) };
  }, specs);
}

describe.each(Object.entries({ adamW, attention, cachedAttention, conv, crossEntropy, deltaRule, embedding, longConv, norm, scan, ssd }))('%s', (_, cases) => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (_name, test) => {
    const { work, outputs } = tallied(test);
    const expected = test.oracle(test.inputs.map(({ shape, data }) => ({ shape, data: Float64Array.from(data) })));
    expect(outputs.map((y) => y !== null)).toEqual(test.used);
    outputs.forEach((y, i) => {
      if (y === null) return;
      expect(y.shape).toEqual(expected[i]!.shape);
      expect(rmsRatio(y.data, expected[i]!.data), `output ${i}`).toBeLessThan(1e-11);
    });
    expect(captured(test)).toEqual(work);
  });
});
