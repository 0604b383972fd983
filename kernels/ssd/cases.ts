/** Operands on which the forms of SSD are judged. */
import { rng } from '#core/random.ts';
import { gaussian, type Case } from '../judge.ts';
import { ssd, type SsdForm } from './op.ts';
import { ssdOracle, ssdOracleGradient } from './oracle.ts';

/** How much a token decays, dt·a: from 1e-4 to 20. */
export const decays = {
  weak: { a: -0.01, dt: (u: number) => 0.005 + 0.01 * u },
  ordinary: { a: -8, dt: (u: number) => 10 ** (-3 + 2 * u) },
  strong: { a: -20, dt: (u: number) => 0.9 + 0.1 * u },
  mixed: { a: -10, dt: (u: number) => 10 ** (-5 + 5.3 * u) },
} as const;

export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  readonly P: number;
  readonly G: number;
  readonly N: number;
  readonly chunk: number;
  readonly decay: keyof typeof decays;
}

export function operands({ B, L, H, P, G, N, decay }: Sizes): Case['inputs'] {
  const stream = rng(99);
  const { a, dt } = decays[decay];
  return [
    gaussian(1, B, L, H, P),
    { shape: [B, L, H], data: Float64Array.from({ length: B * L * H }, () => Math.fround(dt(stream.uniform()))) },
    { shape: [H], data: Float64Array.from({ length: H }, (_, h) => Math.fround((a * (H + h)) / (2 * H))) },
    gaussian(2, B, L, G, N),
    gaussian(3, B, L, G, N),
    gaussian(4, H),
  ];
}

export function call(chunk: number, form: SsdForm): Case['call'] {
  return (t) => {
    const { y, finalState } = ssd(t[0], t[1], t[2], t[3], t[4], t[5], { chunk, form });
    return [y, finalState];
  };
}

/** `outputs`: 1 leaves the final state out, which is then not computed. */
export function caseOf(sizes: Sizes, form: SsdForm, outputs = 2): Case {
  return {
    name: `${form} ${JSON.stringify(sizes)}`,
    inputs: operands(sizes),
    call: (t) => call(sizes.chunk, form)(t).slice(0, outputs),
    oracle: ([x, dt, a, b, c, d]) => {
      const { y, finalState } = ssdOracle(x, dt, a, b, c, d);
      return [y, finalState].slice(0, outputs);
    },
    oracleGradient: ([x, dt, a, b, c, d], dy) => ssdOracleGradient(x, dt, a, b, c, d, dy),
  };
}

const smallSizes: readonly Sizes[] = [
  { B: 1, L: 1, H: 1, P: 5, G: 1, N: 3, chunk: 64, decay: 'ordinary' },
  { B: 3, L: 2, H: 4, P: 4, G: 2, N: 4, chunk: 1, decay: 'weak' },
  { B: 2, L: 63, H: 2, P: 5, G: 1, N: 3, chunk: 7, decay: 'ordinary' },
  { B: 2, L: 63, H: 2, P: 5, G: 1, N: 3, chunk: 7, decay: 'strong' },
  { B: 1, L: 65, H: 4, P: 16, G: 2, N: 16, chunk: 64, decay: 'ordinary' },
  { B: 1, L: 65, H: 2, P: 6, G: 2, N: 9, chunk: 16, decay: 'mixed' },
  { B: 2, L: 130, H: 3, P: 9, G: 1, N: 10, chunk: 100, decay: 'weak' },
  { B: 1, L: 130, H: 2, P: 3, G: 1, N: 5, chunk: 64, decay: 'strong' },
  { B: 1, L: 130, H: 2, P: 3, G: 1, N: 5, chunk: 100, decay: 'mixed' },
  { B: 1, L: 210, H: 2, P: 3, G: 1, N: 5, chunk: 140, decay: 'ordinary' },
  { B: 1, L: 257, H: 2, P: 5, G: 1, N: 7, chunk: 256, decay: 'mixed' },
  { B: 1, L: 257, H: 2, P: 5, G: 1, N: 7, chunk: 256, decay: 'weak' },
];

/** Training sizes and many tiles, without the final state. */
const largeSizes: readonly Sizes[] = [
  { B: 1, L: 64, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' },
  { B: 1, L: 200, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' },
  { B: 1, L: 130, H: 4, P: 32, G: 1, N: 16, chunk: 128, decay: 'ordinary' },
  { B: 1, L: 96, H: 1, P: 64, G: 1, N: 256, chunk: 64, decay: 'ordinary' },
  { B: 8, L: 130, H: 2, P: 2, G: 2, N: 3, chunk: 130, decay: 'ordinary' },
  { B: 1, L: 600, H: 1, P: 4, G: 1, N: 4, chunk: 64, decay: 'weak' },
];

/**
 * For the WGSL forms, in few shapes, as software adapters compile slowly: several chunks of several tiles, several tiles of channels and
 * entries, heads that share a task and more tasks than one, rows that are no whole fours; heads enough for a walk over the chunks; and
 * the shape of training.
 */
const gpuSizes: readonly Sizes[] = [
  { B: 32, L: 40, H: 4, P: 2, G: 2, N: 3, chunk: 16, decay: 'mixed' },
  { B: 1, L: 290, H: 3, P: 70, G: 1, N: 66, chunk: 140, decay: 'mixed' },
  { B: 2, L: 150, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' },
  { B: 2, L: 150, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'strong' },
  { B: 2, L: 150, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'weak' },
];

/** Sizes in whole sixteens, as subgroup matrices want them: many heads of a group, slices of a head's channels, chunks that end anywhere. */
const sixteens: readonly Sizes[] = [
  { B: 1, L: 135, H: 4, P: 32, G: 2, N: 128, chunk: 128, decay: 'mixed' },
  { B: 2, L: 37, H: 2, P: 80, G: 1, N: 48, chunk: 64, decay: 'ordinary' },
];

export const ssdForms: readonly SsdForm[] = ['chunked', 'linear', 'quadratic'];
const inForms = (sizes: readonly Sizes[], forms: readonly SsdForm[], outputs: number): Case[] => sizes.flatMap((s) => forms.map((form) => caseOf(s, form, outputs)));

export const smallCases: readonly Case[] = inForms(smallSizes, ssdForms, 2);
export const largeCases: readonly Case[] = inForms(largeSizes, ssdForms, 1);
export const gpuCases: readonly Case[] = [
  ...inForms(gpuSizes, ['chunked', 'linear'], 2),
  ...inForms(sixteens, ['chunked'], 2),
  ...inForms([{ B: 1, L: 1, H: 1, P: 1, G: 1, N: 1, chunk: 1, decay: 'ordinary' }, { B: 1, L: 600, H: 2, P: 4, G: 2, N: 4, chunk: 64, decay: 'weak' }], ['linear'], 2),
  ...inForms([{ B: 1, L: 130, H: 2, P: 3, G: 2, N: 5, chunk: 1, decay: 'mixed' }], ['quadratic'], 2),
];
export const cases: readonly Case[] = [...smallCases, ...largeCases, ...gpuCases];
