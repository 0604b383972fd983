import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, Program } from '#engine/engine.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { openWebgpu, webgpu } from '#engine/webgpu/engine.ts';
import { decodingProgram, decodingState } from './decoding.ts';
import { mixers } from './index.ts';
import { buildLanguageModel, inside, type LanguageModel, type LanguageModelConfig } from './language-model.ts';
import type { Parameters } from './mixer.ts';

const [B, L, V, D] = [2, 9, 13, 8];
const base = { vocabSize: V, maxLength: 12, dModel: D, layers: 2 };
/** of the mixers that are looked at in several ways, in two layers */
const options: Partial<Record<keyof typeof mixers, Record<string, unknown>[]>> = {
  attention: [{ heads: 2 }],
  mamba1: [{ dState: 3 }, { dConv: 1 }],
  mamba2: [{ dState: 4 }, { dState: 3, headDim: 4, nGroups: 2, dConv: 1 }],
};
/** of the others, of which one layer will do: a software adapter takes seconds to compile a kernel */
const few: Partial<Record<keyof typeof mixers, Record<string, unknown>>> = { 'sliding-window': { window: 3, heads: 2 }, based: { featureDim: 3 }, retnet: { heads: 2 }, s4d: { dState: 4, block: 'mamba', dConv: 2 }, h3: { dState: 6, headDim: 4 }, hyena: { filterOrder: 5, embDim: 5 }, mamba3: { dState: 8 } };
const models: LanguageModelConfig[] = Object.values(mixers).flatMap((mixer): LanguageModelConfig[] => {
  const several = options[mixer.name];
  if (several === undefined) return [{ ...base, layers: 1, mlp: 0, positions: true, round: [{ mixer, options: few[mixer.name] ?? {} }] }];
  return several.map((chosen, i) => ({ ...base, mlp: i === 0 ? 1.5 : 0, positions: i === 0, round: [{ mixer, options: chosen }] }));
});
models.push({ ...base, mlp: 0, positions: false, round: [{ mixer: mixers['gated-conv'], options: {} }, { mixer: mixers.attention, options: {} }] });

/** Parameters large enough for logits far from each other. */
function trained(model: LanguageModel): Parameters {
  return Object.fromEntries(Object.entries(model.parameters(rng(1))).map(([name, p]) => [name, { ...p, data: p.data.map(((s) => (x: number) => x + 0.3 * s.normal())(rng(2).fork(name))) }]));
}

const tokens = Array.from({ length: B }, (_, b) => Array.from({ length: L }, (_, t) => (5 * t + 7 * b + t * t) % V));
const ids = (length: number) => ({ shape: [B, length], data: Int32Array.from(tokens.flatMap((row) => row.slice(0, length))) });
const column = (t: number) => ({ ids: { shape: [B], data: Int32Array.from(tokens, (row) => row[t]) }, places: { shape: [B], data: new Int32Array(B).fill(t) } });

/** The program, and beside it the logits of the next step, without taking it, and of a whole sequence. */
function observed(model: LanguageModel, parameters: Parameters): Program {
  const program = decodingProgram(model, parameters, { batch: B, capacity: L + 1 });
  return {
    ...program,
    functions: {
      ...program.functions,
      peek: ({ ids: now, places }, state) => ({ outputs: { logits: model.step(state, inside(state, 'state.'), now, places)[1] } }),
      forward: ({ ids: whole }, state) => ({ outputs: { logits: model.logits(state, model.hidden(state, whole)) } }),
    },
  };
}

const largest = (logits: ArrayLike<number>) => Int32Array.from({ length: logits.length / V }, (_, r) => Array.from({ length: V }, (_, i) => i).reduce((best, i) => (logits[r * V + i] > logits[r * V + best] ? i : best)));

async function decodes(engine: Engine, config: LanguageModelConfig, prefilled = (t: number) => t % 4 === 0): Promise<void> {
  const model = buildLanguageModel(config);
  const parameters = trained(model);
  const judge = await openTfjs();
  const whole = (await judge.compile(observed(model, parameters)).run('forward', { ids: ids(L) }).read())['logits'].data;
  const at = (t: number) => Float32Array.from({ length: B * V }, (_, i) => whole[(Math.floor(i / V) * L + t) * V + (i % V)]);
  const executable = engine.compile(observed(model, parameters));
  const carried = async () => Object.values(inside(await executable.readState(), 'state.')).reduce((n, { data }) => n + data.byteLength, 0);
  // twice, the second time from a state that is put back
  for (const round of ['first', 'again']) {
    for (let t = 0; t < L; t++) {
      const { logits } = await executable.run('peek', column(t)).read();
      at(t).forEach((x, i) => expect(Math.abs(logits.data[i] - x), `${round}, token ${t}, logit ${i}`).toBeLessThan(2e-5 * Math.max(1, Math.abs(x))));
      const { next } = await executable.run('step', column(t)).read();
      expect([next.shape, next.data], `${round}, after token ${t}`).toEqual([[B], largest(at(t))]);
      if (prefilled(t)) expect((await executable.run('prefill', { ids: ids(t + 1) }).read())['next'].data, `prefill ${t + 1}`).toEqual(largest(at(t)));
    }
    expect(await carried()).toBe(B * model.stateBytes(L + 1));
    executable.writeState(decodingState(model, { batch: B, capacity: L + 1 }));
  }
  executable.dispose();
}

const name = ({ round }: LanguageModelConfig) => round.map(({ mixer, options: chosen }) => `${mixer.name} ${JSON.stringify(chosen)}`).join(', ');
describe('a step, replayed with its state in the engine, gives the logits of the whole sequence', () => {
  // one device for all: pipelines are shared by their text, and a software adapter takes long to compile one
  let gpu: Engine | undefined;
  beforeAll(async () => {
    if ((await webgpu.available()).ok) gpu = await openWebgpu({ validate: true, poison: true });
  });
  afterAll(() => gpu?.close());
  for (const config of models) {
    test(`WASM: ${name(config)}`, async () => {
      for (const threads of [1, 2]) {
        const engine = await openWasm({ threads, poison: true });
        await decodes(engine, config);
        await engine.close();
      }
    });

    test(`tfjs: ${name(config)}`, async () => decodes(await openTfjs(), config));

    test(`WebGPU: ${name(config)}`, async (context) => {
      if (gpu === undefined) {
        context.skip('no adapter');
        return;
      }
      // a prefill of one more length is a program more to compile
      await decodes(gpu, config, (t) => t === L - 1);
    });
  }
});

test('sequences of a batch may be at different places', async () => {
  const model = buildLanguageModel({ ...base, mlp: 0, positions: true, round: [{ mixer: mixers.attention, options: {} }] });
  const parameters = trained(model);
  const engine = await openWasm({ threads: 2, poison: true });
  const executable = engine.compile(observed(model, parameters));
  const whole = (await executable.run('forward', { ids: ids(L) }).read())['logits'].data;
  // the second sequence waits for three steps: what it does at place 0 is overwritten when it really begins
  for (let t = 0; t < L; t++) {
    const places = [t, Math.max(0, t - 3)];
    const inputs = { ids: { shape: [B], data: Int32Array.from(places, (p, b) => tokens[b][p]) }, places: { shape: [B], data: Int32Array.from(places) } };
    const { logits } = await executable.run('peek', inputs).read();
    await executable.run('step', inputs).read();
    places.forEach((p, b) => {
      for (let i = 0; i < V; i++) expect(logits.data[b * V + i]).toBeCloseTo(whole[(b * L + p) * V + i], 4);
    });
  }
  await engine.close();
});

test('no room for a token, or fewer positions than tokens, is refused', () => {
  const model = buildLanguageModel({ ...base, mlp: 0, positions: true, round: [{ mixer: mixers.attention, options: {} }] });
  expect(() => decodingProgram(model, {}, { batch: 0, capacity: 4 })).toThrow(/E_SIZE: decoding wants a whole batch of at least 1, not 0/);
  expect(() => decodingProgram(model, {}, { batch: 2, capacity: 1.5 })).toThrow(/E_SIZE.*capacity.*1.5/);
  expect(() => decodingProgram(model, {}, { batch: 2, capacity: 13 })).toThrow(/E_SIZE: 13 tokens in a model with learned positions for 12/);
});
