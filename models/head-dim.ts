/** How the inner channels of a state space model are cut into heads. */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';

const DEFAULT_HEAD_DIM = 64;

/** The option `headDim`. */
export const headDimOption = z
  .union([z.literal('auto'), z.int().positive()])
  .default('auto')
  .describe(`channels per head: a number, or auto for ${DEFAULT_HEAD_DIM} or the next smaller that fits the width`);

/** Head dims that cut E channels into heads, and the heads into G equal groups; ascending. */
function legalHeadDims(E: number, G: number): number[] {
  return Array.from({ length: E }, (_, i) => i + 1).filter((P) => E % (P * G) === 0);
}

/** The head dim for E channels, with a note where a small or odd width forces one other than the default. */
export function headDimOf(model: string, asked: number | 'auto', E: number, G: number): { headDim: number; notes: string[] } {
  const legal = legalHeadDims(E, G);
  const width = `the inner width ${E} (expand · dModel)`;
  if (legal.length === 0) throw new RecallbenchError('E_SIZE', `model ${model}: nGroups ${G} does not divide ${width}.`);
  const rule = (P: number) => `head dim ${P} does not divide ${width} into heads${G === 1 ? '' : ` whose number is a multiple of nGroups ${G}`}`;
  if (asked === 'auto') {
    const headDim = Math.max(...legal.filter((P) => P <= DEFAULT_HEAD_DIM));
    return { headDim, notes: headDim === DEFAULT_HEAD_DIM ? [] : [`head dim ${headDim} chosen: ${rule(DEFAULT_HEAD_DIM)}`] };
  }
  if (!legal.includes(asked)) {
    const near = [legal.findLast((P) => P < asked), legal.find((P) => P > asked)].filter((P) => P !== undefined);
    throw new RecallbenchError('E_SIZE', `model ${model}: ${rule(asked)}. Nearest legal headDim: ${near.join(', ')}.`);
  }
  return { headDim: asked, notes: [] };
}
