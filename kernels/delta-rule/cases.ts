/** Operands on which the forms of the delta rule are judged. */
import { rng } from '#core/random.ts';
import { gaussian, type Case } from '../judge.ts';
import { deltaRule } from './op.ts';
import { deltaRuleOracle, deltaRuleOracleGradient } from './oracle.ts';
import { named, type Decay, type Sizes } from './sizes.ts';

/** g of a token, from a uniform number. */
export const decays = {
  weak: (u: number) => -0.02 * u,
  ordinary: (u: number) => -(10 ** (-3 + 3 * u)),
  strong: (u: number) => -4 - 16 * u,
  mixed: (u: number) => (u < 0.2 ? -30 * u * 5 : -(u ** 4)),
} as const;

export interface Variant {
  readonly delta: boolean;
  readonly decay: Decay;
}
export const variants: readonly Variant[] = [
  { delta: true, decay: 'none' },
  { delta: true, decay: 'scalar' },
  { delta: false, decay: 'vector' },
  { delta: true, decay: 'vector' },
  { delta: false, decay: 'scalar' },
  { delta: false, decay: 'none' },
];

export interface CaseSizes extends Sizes, Variant {
  readonly chunk: number;
  readonly strength: keyof typeof decays;
}

/** q, k, v, a, g: keys of length √β, which a reads again, decayed and a little beside them, so that states stay of one size. */
export function operands({ B, L, H, K, V, delta, decay, strength }: Sizes & Variant & Pick<CaseSizes, 'strength'>): Case['inputs'] {
  const stream = rng(99);
  const shape = [B, L, H, K];
  const g = { shape: decay === 'scalar' ? [B, L, H] : shape, data: Float64Array.from({ length: B * L * H * (decay === 'scalar' ? 1 : K) }, () => Math.fround(decays[strength](stream.uniform()))) };
  const k = gaussian(2, ...shape);
  const a = gaussian(5, ...shape);
  for (let row = 0; row < k.data.length; row += K) {
    const size = Math.hypot(...k.data.subarray(row, row + K)) + 1e-3;
    const beta = Math.sqrt(2 * stream.uniform());
    for (let i = row; i < row + K; i++) {
      k.data[i] = Math.fround((beta * k.data[i]) / size);
      const kept = decay === 'none' ? 1 : Math.exp(g.data[decay === 'scalar' ? row / K : i]);
      a.data[i] = Math.fround(kept * (k.data[i] + (0.05 * a.data[i]) / Math.sqrt(K)));
    }
  }
  return [gaussian(1, ...shape), k, gaussian(3, B, L, H, V), ...(delta ? [a] : []), ...(decay === 'none' ? [] : [g])];
}

export function call({ delta, decay }: Variant, chunk: number): Case['call'] {
  return (t) => {
    const { q, k, v, a, g } = named(t, { delta, decay });
    const { y, finalState } = deltaRule(q, k, v, { ...(a && { a }), ...(g && { g }), chunk });
    return [y, finalState];
  };
}

const ordered = <T>({ q, k, v, a, g }: ReturnType<typeof named<T>>): T[] => [q, k, v, ...(a === undefined ? [] : [a]), ...(g === undefined ? [] : [g])];

/** The oracle on operands in the op's order. */
export const oracle = (inputs: Parameters<Case['oracle']>[0], variant: Variant) => {
  const { y, finalState } = deltaRuleOracle(named(inputs, variant));
  return [y, finalState];
};
export const oracleGradient = (inputs: Parameters<Case['oracle']>[0], dy: Parameters<NonNullable<Case['oracleGradient']>>[1], variant: Variant) =>
  ordered(deltaRuleOracleGradient(named(inputs, variant), dy));

/** `outputs`: 1 leaves the final state out, which is then not computed. */
export function caseOf(sizes: CaseSizes, outputs = 2): Case {
  return {
    name: JSON.stringify(sizes),
    inputs: operands(sizes),
    call: (t) => call(sizes, sizes.chunk)(t).slice(0, outputs),
    oracle: (inputs) => oracle(inputs, sizes).slice(0, outputs),
    oracleGradient: (inputs, dy) => oracleGradient(inputs, dy, sizes),
  };
}

type Plain = Omit<CaseSizes, 'delta' | 'decay'>;
const inVariants = (sizes: readonly Plain[], outputs: number, some = variants): Case[] => sizes.flatMap((s) => some.map((variant) => caseOf({ ...s, ...variant }, outputs)));

const smallSizes: readonly Plain[] = [
  { B: 1, L: 1, H: 1, K: 3, V: 5, chunk: 16, strength: 'ordinary' },
  { B: 2, L: 5, H: 3, K: 4, V: 4, chunk: 16, strength: 'weak' },
  { B: 2, L: 63, H: 2, K: 5, V: 3, chunk: 16, strength: 'ordinary' },
  { B: 1, L: 64, H: 2, K: 8, V: 12, chunk: 16, strength: 'strong' },
  { B: 1, L: 65, H: 2, K: 9, V: 6, chunk: 7, strength: 'mixed' },
  { B: 1, L: 130, H: 1, K: 3, V: 5, chunk: 40, strength: 'ordinary' },
  { B: 1, L: 21, H: 1, K: 6, V: 7, chunk: 1, strength: 'ordinary' },
];

/** Training sizes, without the final state. */
const largeSizes: readonly Plain[] = [
  { B: 1, L: 130, H: 2, K: 64, V: 64, chunk: 16, strength: 'ordinary' },
  { B: 1, L: 500, H: 2, K: 16, V: 16, chunk: 16, strength: 'weak' },
  { B: 1, L: 500, H: 1, K: 5, V: 7, chunk: 16, strength: 'mixed' },
  { B: 1, L: 40, H: 1, K: 40, V: 130, chunk: 16, strength: 'ordinary' },
];

export const smallCases: readonly Case[] = inVariants(smallSizes, 2);
export const largeCases: readonly Case[] = inVariants(largeSizes, 1, variants.slice(0, 4));
/** In few shapes, as software adapters compile slowly. */
export const gpuCases: readonly Case[] = [
  ...inVariants([{ B: 2, L: 37, H: 3, K: 5, V: 3, chunk: 16, strength: 'mixed' }, { B: 1, L: 130, H: 2, K: 64, V: 64, chunk: 16, strength: 'ordinary' }], 2, variants.slice(0, 4)),
  ...inVariants([{ B: 1, L: 1, H: 1, K: 1, V: 1, chunk: 16, strength: 'ordinary' }, { B: 1, L: 40, H: 1, K: 20, V: 70, chunk: 16, strength: 'strong' }], 2, variants.slice(1, 3)),
  ...inVariants([{ B: 1, L: 21, H: 1, K: 6, V: 7, chunk: 5, strength: 'ordinary' }], 2, variants.slice(4)),
];
export const cases: readonly Case[] = [...smallCases, ...largeCases, ...gpuCases];
