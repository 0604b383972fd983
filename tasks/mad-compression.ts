/**
 * MAD compression (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py` and `model/auto_encoder.py`).
 *
 * L − 1 uniform tokens 0 … V−2, then the compression token V−1. An auto-encoder: every token is to be told from the
 * output at the last position and an encoding of the position asked for, so the state has to hold the whole sequence.
 * The target at each position is the token there, the compression token included. vocabSize 10, seqLen 12:
 *
 *     tokens   0 0 2 4 7 1 1 1 4 8 2 9
 *     targets  0 0 2 4 7 1 1 1 4 8 2 9
 */
import { z } from '#core/config.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(2).max(2 ** 24).default(16).describe('V: tokens to compress, then the compression token V−1'),
  seqLen: z.int().min(2).default(32).describe('L: tokens of one example'),
});

/** Throws E_CONFIG for an illegal option. */
export const madCompression = defineTask({
  name: 'mad-compression',
  summary: 'MAD compression: the whole sequence is reconstructed from the last output',
  config,
  open({ vocabSize, seqLen }) {
    return {
      vocabSize,
      seqLen,
      maxScored: seqLen,
      slice: { vocabSize, seqLen },
      readout: 'last',
      example(stream, { tokens, targets }) {
        for (let t = 0; t < seqLen - 1; t++) tokens[t] = stream.below(vocabSize - 1);
        tokens[seqLen - 1] = vocabSize - 1;
        targets.set(tokens);
      },
    };
  },
});
