/** What the relatives of MQAR share: distinct tokens, query slots that follow a power law, and random fillers. */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { Urn } from './urn.ts';

/** Options of the part after the context. */
export const slotOptions = {
  powerA: z.number().min(0).max(16).default(0.01).describe('query slot i has weight i^(powerA−1); 1 is uniform'),
  randomNonQueries: z.boolean().default(true).describe('fill blanks with uniform random tokens of the whole vocabulary'),
};

/** Slots 1 … S, to be drawn without replacement with pᵢ ∝ i^(powerA−1). */
export function querySlots(count: number, powerA: number): Urn {
  return new Urn(Float64Array.from({ length: count }, (_, i) => (i + 1) ** (powerA - 1)));
}

/** A uniform token of first … first+count−1 that is not yet marked in `used`, which then is. */
export function drawUnused(stream: Stream, used: Uint8Array, first: number, count: number): number {
  let token: number;
  do token = first + stream.below(count);
  while (used[token] === 1);
  used[token] = 1;
  return token;
}

/** Turns each blank (0) from position `start` on into a uniform token of the whole vocabulary, the blank included. */
export function fillBlanks(stream: Stream, tokens: Int32Array, start: number, vocabSize: number): void {
  for (let t = start; t < tokens.length; t++) if (tokens[t] === 0) tokens[t] = stream.below(vocabSize);
}

/** Puts the first `count` entries of `items` in a uniformly random order, all `items.length` of them being candidates (Fisher & Yates). */
export function shuffle(stream: Stream, items: Int32Array, count = items.length): void {
  for (let i = 0; i < count; i++) {
    const j = i + stream.below(items.length - i);
    const item = items[i];
    items[i] = items[j];
    items[j] = item;
  }
}
