import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import type { NdArray } from '../nd-array.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import { attrs, cases, hyperAt } from './cases.ts';
import { adamW } from './op.ts';
import * as oracle from './oracle.ts';

let all: { name: string; engine: Engine }[] = [];
let gpus: Awaited<ReturnType<typeof gpuForms>> = [];
beforeAll(async () => {
  all = await forms();
  gpus = await gpuForms();
});
afterAll(async () => {
  for (const { engine } of [...all, ...gpus]) await engine.close();
});

describe('AdamW: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      for (const [what, ratio] of Object.entries(await judge(engine, c))) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-6);
    }
  });
});

test.for(cases)('AdamW in WGSL is the oracle: $name', async (c, context) => {
  if (gpus.length === 0) context.skip();
  for (const { name, engine, bound } of gpus) {
    for (const [what, ratio] of Object.entries(await judge(engine, c))) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
  }
});

describe('AdamW', () => {
  const shape = [37, 5];
  const steps = 20;
  const zero = { shape, data: new Float64Array(185) };
  const gradient = (t: number) => gaussian(100 + t, ...shape);

  test('follows the oracle over many steps, state in place, on any number of threads', async () => {
    let exact: NdArray[] = [gaussian(1, ...shape), zero, zero];
    for (let t = 1; t <= steps; t++) exact = oracle.adamW(exact[0], gradient(t), exact[1], exact[2], hyperAt(t), attrs);
    const host = (x: NdArray) => ({ shape: x.shape, data: Float32Array.from(x.data) });
    const ends: HostTensors[] = [];
    const engines = [...all];
    for (const threads of [1, 2, 3]) engines.push({ name: `wasm ${threads} threads, poisoned`, engine: await openWasm({ threads, poison: true }) });
    for (const { name, engine } of engines) {
      const executable = engine.compile({
        state: { param: host(gaussian(1, ...shape)), m: host(zero), v: host(zero) },
        functions: {
          step: ({ g, hyper }, { param, m, v }) => ({ outputs: {}, state: adamW(param, g, m, v, hyper, attrs) }),
        },
      });
      for (let t = 1; t <= steps; t++) await executable.run('step', { g: host(gradient(t)), hyper: host(hyperAt(t)) }).read();
      const state = await executable.readState();
      ['param', 'm', 'v'].forEach((n, i) => expect(rmsRatio(state[n].data, exact[i].data), `${name}, ${n}`).toBeLessThan(5e-6));
      executable.dispose();
      if (!name.includes('poisoned')) continue;
      ends.push(state);
      await engine.close();
    }
    for (const state of ends) expect(state).toEqual(ends[0]);
  });

  test('names the shape that differs', () => {
    const t = (...s: number[]) => tf.zeros(s);
    expect(() => adamW(t(2, 3), t(2, 3), t(2, 3), t(3, 2), t(3), attrs)).toThrow(/E_SHAPE.*v \[3,2\].*\[2,3\]/);
    expect(() => adamW(t(2), t(2), t(2), t(2), t(2), attrs)).toThrow(/E_SHAPE.*hyper.*\[2\]/);
  });
});
