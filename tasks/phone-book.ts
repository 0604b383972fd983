/**
 * Phone book (Jelassi et al. 2024, arXiv:2402.01032; transformers_ssm_copy `pretrained_exps/data_utils.py`), for models
 * trained from nothing: a token a name part and a token a digit, where the paper asks pre-trained models for text.
 *
 * `entries` lines "name : number ↵", an empty line, `shots` of these lines again, an empty line, then another entry's name
 * and a colon: its number is the answer. A name is `nameParts` uniform name tokens, no name twice; a number is `digits`
 * uniform digits, of which the first is 6 … 9. The lines repeated and the one asked for are distinct and uniform. Each digit
 * is the target at the token before it; this is next-token prediction, so digits told are inputs. An answer right at every
 * position is the one that greedy generation would give. Digits are tokens 0…9, the colon is 10, ↵ is 11, name tokens are
 * 12 … V−1. vocabSize 20, 2 entries, 1 shot, names of 1 token, 2 digits:
 *
 *     tokens   12 10  6  2 11 15 10  9  1 11 11 12 10  6  2 11 11 15 10  9
 *     targets   ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  9  1
 */
import { z } from '#core/config.ts';
import { checkSizes } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const COLON = 10;
const NEWLINE = 11;
const FIRST_NAME = 12;

const config = z.strictObject({
  vocabSize: z.int().min(FIRST_NAME + 2).max(2 ** 17).default(512).describe('V: digits, colon, new line, then name tokens from 12'),
  entries: z.int().min(2).max(2 ** 15).default(20).describe('lines of the phone book'),
  shots: z.int().nonnegative().default(2).describe('lines that are repeated before the question'),
  nameParts: z.int().positive().max(3).default(2).describe('tokens of a name'),
  digits: z.int().positive().default(10).describe('digits of a number'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for shots ≥ entries or more entries than half of the names. */
export const phoneBook = defineTask({
  name: 'phone-book',
  summary: 'phone book: names and numbers, then the number of one name',
  config,
  open({ vocabSize, entries, shots, nameParts, digits }) {
    const names = (vocabSize: number) => (vocabSize - FIRST_NAME) ** nameParts;
    checkSizes('phone-book', { vocabSize, entries, shots }, { vocabSize: FIRST_NAME + 2, entries: 2, shots: 0 }, [
      [
        ({ entries, shots }) => entries > shots,
        ({ entries, shots }) => `entries must be above shots (one more is asked for), but they are ${entries} and ${shots}`,
      ],
      [
        ({ vocabSize, entries }) => 2 * entries <= names(vocabSize),
        ({ vocabSize, entries }) =>
          `entries must be at most half of the (vocabSize − ${FIRST_NAME})^nameParts names, but there are ${entries} entries and ${names(vocabSize)} names`,
      ],
    ]);
    const line = nameParts + digits + 2;
    const seqLen = (entries + shots) * line + 2 + nameParts + digits;
    const taken = new Set<number>(); // names
    const chosen = new Int32Array(shots + 1);

    return {
      vocabSize,
      seqLen,
      maxScored: digits,
      slice: { entries, shots, nameParts, digits },
      example(stream, { tokens, targets }) {
        taken.clear();
        for (let e = 0, t = 0; e < entries; e++) {
          for (let name = 0; taken.size === e; taken.add(name)) {
            name = 0;
            for (let i = 0; i < nameParts; i++) {
              tokens[t + i] = FIRST_NAME + stream.below(vocabSize - FIRST_NAME);
              name = name * 2 ** 17 + tokens[t + i];
            }
          }
          t += nameParts;
          tokens[t++] = COLON;
          tokens[t++] = 6 + stream.below(4);
          for (let i = 1; i < digits; i++) tokens[t++] = stream.below(10);
          tokens[t++] = NEWLINE;
        }
        for (let i = 0; i <= shots; i++) {
          do chosen[i] = stream.below(entries);
          while (chosen.indexOf(chosen[i]) < i);
        }
        let t = entries * line;
        tokens[t++] = NEWLINE;
        for (let i = 0; i < shots; i++, t += line) tokens.copyWithin(t, chosen[i] * line, chosen[i] * line + line);
        tokens[t++] = NEWLINE;
        const asked = chosen[shots] * line;
        tokens.copyWithin(t, asked, asked + nameParts + digits);
        targets.fill(UNSCORED);
        for (let i = 0; i < digits; i++) targets[t + nameParts + i] = tokens[asked + nameParts + 1 + i];
      },
    };
  },
});
