/**
 * What the WGSL kernels of the delta rule share. Chunks of 16 tokens are made side by side; states are walked by a workgroup for some values of each
 * head. Letters as in portable.ts; W = T Ã, so that U = T V − W S needs no solving on the walk.
 *
 * Each chunk has a record of floats: P and T [16,16], W, Q̃ and K̃ [16,K], e^{G_Q} [K], U (before the walk T V) and dU [16,V]. Tokens after the last one
 * are zeros that decay nothing.
 */
import type { GpuBinding, Operand } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import { sizesOf, type DeltaAttrs, type Sizes } from './sizes.ts';

/** Tokens in a chunk: a workgroup has an invocation for each pair of them. */
export const Q = 16;
export const SIZE = Q * Q;
/** entries of keys at a time in workgroup memory */
export const ENTRIES = 32;

export interface Plan extends Sizes {
  readonly attrs: DeltaAttrs;
  /** chunks of a sequence */
  readonly chunks: number;
  /** heads of sequences that are worked at together, and the first of them */
  readonly heads: number;
  readonly first: number;
  /** floats of a record, and where its parts begin */
  readonly record: number;
  readonly at: Readonly<Record<'P' | 'T' | 'W' | 'asked' | 'keys' | 'across' | 'U' | 'dU', number>>;
  /** values of a walking workgroup, and workgroups of a head */
  readonly wide: number;
  readonly parts: number;
}

/** Floats of a state that a walking workgroup may hold. */
const STATE = 4096;

/** Bytes that records and states may take: more heads than that are worked at one after the other. */
const ROOM = 2 ** 29;

/** The plans of one or more groups of heads; `states` of each chunk are kept. */
export function plansOf(inputs: readonly Operand[], attrs: DeltaAttrs, states: number, room = ROOM): Plan[] {
  const sizes = sizesOf(inputs);
  const { B, L, H, K, V } = sizes;
  const keys = 2 * SIZE;
  const values = keys + (3 * Q + 1) * K;
  const at = { P: 0, T: SIZE, W: keys, asked: keys + Q * K, keys: keys + 2 * Q * K, across: keys + 3 * Q * K, U: values, dU: values + Q * V };
  const record = at.dU + Q * V;
  const chunks = Math.ceil(L / Q);
  const wide = Math.max(1, Math.min(V, 32, Math.floor(STATE / K)));
  const most = Math.max(1, Math.floor(room / (4 * chunks * (record + states * K * V))));
  const groups = Math.ceil((B * H) / most);
  const heads = Math.ceil((B * H) / groups);
  return Array.from({ length: groups }, (_, i) => i * heads)
    .filter((first) => first < B * H)
    .map((first) => ({ ...sizes, attrs, chunks, record, at, wide, parts: Math.ceil(V / wide), first, heads: Math.min(heads, B * H - first) }));
}

/** Declares where things are; `bound` are the operands that a kernel reads, by name. */
export function places({ L, H, K, V, chunks, record, attrs, first }: Plan, bound: Readonly<Record<string, GpuBinding | undefined>>): string {
  return lines(
    `fn record_of(m: u32) -> u32 { return m * ${record}u; }`,
    `fn exists(m: u32, t: u32) -> bool { return m % ${chunks}u * ${Q}u + t < ${L}u; }`,
    // row of token t of the group's chunk m, in operands [B,L,H,…]
    `fn row_of(m: u32, t: u32) -> u32 {
  let head = ${first}u + m / ${chunks}u;
  return (head / ${H}u * ${L}u + m % ${chunks}u * ${Q}u + t) * ${H}u + head % ${H}u;
}`,
    ['q', 'k', 'a'].map((name) => (bound[name] === undefined ? '' : `fn ${name}_of(m: u32, t: u32, i: u32) -> f32 {
  if (i >= ${K}u || !exists(m, t)) { return 0f; }
  return ${name}[row_of(m, t) * ${K}u + i];
}`)),
    ['v', 'dy'].map((name) => (bound[name] === undefined ? '' : `fn ${name}_of(m: u32, t: u32, j: u32) -> f32 {
  if (j >= ${V}u || !exists(m, t)) { return 0f; }
  return ${name}[row_of(m, t) * ${V}u + j];
}`)),
    bound['g'] !== undefined && `fn decay_of(m: u32, t: u32, i: u32) -> f32 {
  if (i >= ${K}u || !exists(m, t)) { return 1f; }
  return exp(g[${attrs.decay === 'scalar' ? 'row_of(m, t)' : `row_of(m, t) * ${K}u + i`}]);
}`,
  );
}

/** `var<workgroup>` tables [16,ENTRIES] of a chunk's operands from entry i0 on, and `load_entries`, which fills them between barriers. */
export function entryTables({ attrs: { delta, decay } }: Plan, asks: boolean): string {
  const of = (name: string) => `    ${name}_at[e] = ${name}_of(m, e / ${ENTRIES}u, i0 + e % ${ENTRIES}u);`;
  return lines(
    [...(asks ? ['q'] : []), 'k', ...(delta ? ['a'] : []), ...(decay === 'none' ? [] : ['e'])].map((name) => `var<workgroup> ${name}_at: array<f32, ${Q * ENTRIES}>;`),
    `fn load_entries(lane: u32, m: u32, i0: u32) {
  workgroupBarrier();
  for (var e = lane; e < ${Q * ENTRIES}u; e += ${SIZE}u) {`,
    asks && of('q'), of('k'), delta && of('a'),
    decay !== 'none' && `    e_at[e] = decay_of(m, e / ${ENTRIES}u, i0 + e % ${ENTRIES}u);`,
    `  }
  workgroupBarrier();
}`,
    `fn decay(t: u32, i: u32) -> f32 { return ${decay === 'none' ? '1f' : `e_at[t * ${ENTRIES}u + i]`}; }`,
  );
}

export const main = (body: string): string => `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
${body}
}`;
