/**
 * MAD fuzzy in-context recall with many queries (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py`).
 *
 * In-context recall (mad-recall.ts) whose keys and values are motifs: ordered tuples of distinct tokens, uniform among all
 * of their length. A key has `keyMotif` tokens, or any number up to that, as MAD trains; a value has a uniform number,
 * 1 … `valueMotif`, and stays the same when its key comes back: then each of its tokens is the target at the token before
 * it. Keys are made of tokens 0 … ⌊(V−1)/2⌋−1, values of those after them but for the blank V−1, so a text falls into
 * motifs in one way only. vocabSize 10 (keys 0…3, values 4…8, blank 9), seqLen 20, keyMotif 1, valueMotif 2:
 *
 *     tokens   9 9 9 0 6 0 6 0 6 3 7 1 5 3 7 3 7 0 6 1
 *     targets  · · · · · 6 · 6 · · · · · 7 · 7 · 6 · 5
 *
 * Pairs follow each other while two of the longest fit; the last key is uniform among the distinct keys before it (MAD
 * draws the last pair first and shows it at a random place, at times too late to be shown). Blanks fill up from the left,
 * and the last token is a target only. This is next-token prediction: value tokens are inputs after they were targets.
 * With `scored` "all" every next token but blanks is a target, as MAD trains (blanks included).
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { scored } from './pairs.ts';
import { checkSizes } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().positive().max(2 ** 16).default(16).describe('V: tokens of keys, tokens of values, then the blank V−1'),
  seqLen: z.int().positive().default(128).describe('L: tokens of one example'),
  keyMotif: z.int().positive().max(3).default(3).describe('most tokens of a key'),
  valueMotif: z.int().positive().default(3).describe('most tokens of a value'),
  keyLengths: z.enum(['longest', 'any']).default('longest').describe('keys of keyMotif tokens, as MAD tests, or of any number up to it, as MAD trains'),
  scored,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for too small a vocabulary or context. */
export const madFuzzyRecall = defineTask({
  name: 'mad-fuzzy-recall',
  summary: 'MAD fuzzy in-context recall: keys and values of several tokens',
  config,
  open({ vocabSize, seqLen, keyMotif, valueMotif, keyLengths, scored }) {
    checkSizes('mad-fuzzy-recall', { vocabSize, seqLen, keyMotif, valueMotif }, {}, [
      [
        ({ vocabSize, keyMotif, valueMotif }) => vocabSize >= Math.max(2 * keyMotif + 1, 2 * valueMotif),
        ({ vocabSize, keyMotif, valueMotif }) =>
          `vocabSize must be at least 2·keyMotif + 1 and 2·valueMotif (distinct tokens), but they are ${vocabSize}, ${keyMotif} and ${valueMotif}`,
      ],
      [
        ({ seqLen, keyMotif, valueMotif }) => seqLen >= 2 * (keyMotif + valueMotif) - 1,
        ({ seqLen, keyMotif, valueMotif }) =>
          `seqLen must be at least 2·(keyMotif + valueMotif) − 1 (two pairs), but they are ${seqLen}, ${keyMotif} and ${valueMotif}`,
      ],
    ]);
    const firstValue = Math.floor((vocabSize - 1) / 2);
    const valueTokens = vocabSize - 1 - firstValue;
    const longest = keyMotif + valueMotif;
    const shortest = keyLengths === 'any' ? 1 : keyMotif;
    const text = new Int32Array(seqLen + 1);
    const recalled = new Uint8Array(seqLen + 1); // 1 at the tokens of values whose key was seen before
    const firsts = new Int32Array(seqLen); // where each distinct key first stands
    const firstOf = new Map<number, number>(); // the same, by key

    return {
      vocabSize,
      seqLen,
      maxScored: scored === 'all' ? seqLen : Math.min(seqLen, Math.floor(((seqLen + 1) * valueMotif) / (shortest + valueMotif))),
      slice: { vocabSize, seqLen, ...(keyLengths === 'any' ? { keyLengths } : {}), ...(scored === 'all' ? { scored } : {}) },
      example(stream, { tokens, targets }) {
        firstOf.clear();
        recalled.fill(0);
        let end = 0;
        while (end + 2 * longest <= seqLen + 1) {
          const start = end;
          end = putMotif(stream, text, start, shortest + stream.below(keyMotif - shortest + 1), 0, firstValue);
          let key = 0;
          for (let i = start; i < end; i++) key = key * 2 ** 16 + text[i] + 1;
          const first = firstOf.get(key);
          if (first === undefined) {
            firsts[firstOf.size] = start;
            firstOf.set(key, start);
            end = putMotif(stream, text, end, 1 + stream.below(valueMotif), firstValue, valueTokens);
          } else end = repeatValue(first + end - start, end);
        }
        let from = firsts[stream.below(firstOf.size)];
        while (text[from] < firstValue) text[end++] = text[from++];
        end = repeatValue(from, end);

        const shift = seqLen + 1 - end;
        tokens.fill(vocabSize - 1, 0, shift);
        tokens.set(text.subarray(0, end - 1), shift);
        targets.fill(UNSCORED);
        for (let i = shift === 0 ? 1 : 0; i < end; i++) if (scored === 'all' || recalled[i] === 1) targets[shift + i - 1] = text[i];
      },
    };

    /** Copies the value that stands at `from`; a key always follows it. */
    function repeatValue(from: number, end: number): number {
      for (; text[from] >= firstValue; from++) {
        recalled[end] = 1;
        text[end++] = text[from];
      }
      return end;
    }
  },
});

/** Writes `length` distinct uniform tokens first … first+count−1 at `start` and tells where they end. */
function putMotif(stream: Stream, text: Int32Array, start: number, length: number, first: number, count: number): number {
  for (let i = start; i < start + length; i++) {
    let fresh: boolean;
    do {
      text[i] = first + stream.below(count);
      fresh = true;
      for (let j = start; j < i; j++) if (text[j] === text[i]) fresh = false;
    } while (!fresh);
  }
  return start + length;
}
