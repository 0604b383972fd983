/** A language model that reads a prompt, and one that writes: what serving it costs. */
import { z } from '#core/config.ts';
import { rng } from '#core/random.ts';
import type { Appearance } from '#results/record.ts';
import { decodingProgram } from '#models/decoding.ts';
import { buildLanguageModel, type LanguageModel } from '#models/language-model.ts';
import { openStack } from '#models/stack.ts';
import { defineWorkload } from './workload.ts';

const options = {
  model: z.string().describe('a model, or a pattern such as mamba2*5,attention; see: recallbench list models'),
  modelOptions: z.record(z.string(), z.unknown()).default({}).describe('its options, such as {"dState":64}; of a pattern by mixer'),
  dModel: z.int().positive().max(16384).default(256).describe('width D'),
  layers: z.int().positive().max(1024).default(2).describe('number of layers'),
  vocabSize: z.int().positive().default(1024).describe('size of the vocabulary'),
  batch: z.int().positive().default(1).describe('sequences side by side'),
};

function languageModel({ model, modelOptions, dModel, layers, vocabSize }: { model: string; modelOptions: Record<string, unknown>; dModel: number; layers: number; vocabSize: number }, maxLength: number): { built: LanguageModel; appearance: Appearance } {
  const { round, orderless, appearance } = openStack(model, modelOptions, layers);
  return { built: buildLanguageModel({ vocabSize, maxLength, dModel, layers, round, mlp: 0, positions: orderless }), appearance };
}

const someIds = (shape: readonly number[], vocabSize: number) => {
  const stream = rng(0).fork('ids');
  return { shape, data: Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.below(vocabSize)) };
};

export const prefillWorkload = defineWorkload({
  name: 'prefill',
  summary: 'a language model reads a prompt and names the next token; the latency of one call is the time to first token',
  kind: 'model',
  config: z.strictObject({ ...options, seqLen: z.int().positive().describe('tokens of each prompt') }),
  open(config) {
    const { batch, seqLen, vocabSize } = config;
    const { built, appearance } = languageModel(config, seqLen);
    let ids: ReturnType<typeof someIds> | undefined;
    return {
      appearance,
      tokens: batch * seqLen,
      stateBytes: built.stateBytes(seqLen),
      // the decoding state that the program has besides is not touched: one token of it will do
      program: () => decodingProgram(built, built.parameters(rng(0)), { batch, capacity: 1 }),
      call: 'prefill',
      inputs: () => ({ ids: (ids ??= someIds([batch, seqLen], vocabSize)) }),
      notes: [...built.notes, 'the prompt\'s state is not handed on to decoding'],
    };
  },
});

export const decodeWorkload = defineWorkload({
  name: 'decode',
  summary: 'a language model writes one token for each sequence, with its state or its cache of keys and values carried inside the engine',
  kind: 'model',
  config: z.strictObject({ ...options, context: z.int().positive().describe('tokens of a sequence, the new one included: the last of a full cache is decoded') }),
  open(config) {
    const { batch, context, vocabSize } = config;
    const { built, appearance } = languageModel(config, context);
    const ids = someIds([batch], vocabSize);
    const places = { shape: [batch], data: new Int32Array(batch).fill(context - 1) };
    return {
      appearance,
      tokens: batch,
      stateBytes: built.stateBytes(context),
      program: () => decodingProgram(built, built.parameters(rng(0)), { batch, capacity: context }),
      call: 'step',
      inputs: () => ({ ids, places }),
      notes: built.notes,
    };
  },
});
