/**
 * What the WGSL kernels of the delta rule share. Chunks of 16 tokens are made side by side; states are walked by a workgroup for some values of each
 * head. Letters as in portable.ts; W = T Ã, so that U = T V − W S needs no solving on the walk.
 *
 * Each chunk has a record of floats: P and T [16,16], W, Q̃ and K̃ [16,K], e^{G_Q} [K], U (before the walk T V) and dU [16,V]. Tokens after the last one
 * are zeros that decay nothing.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import { named, sizesOf, type DeltaAttrs, type Sizes } from './sizes.ts';

/** Tokens in a chunk: a workgroup has an invocation for each pair of them. */
export const Q = 16;
export const SIZE = Q * Q;
/** entries of keys at a time in workgroup memory */
export const ENTRIES = 32;

export interface Plan extends Sizes {
  readonly attrs: DeltaAttrs;
  readonly chunks: number;
  /** floats of a record, and where its parts begin */
  readonly record: number;
  readonly at: Readonly<Record<'P' | 'T' | 'W' | 'asked' | 'keys' | 'across' | 'U' | 'dU', number>>;
  /** values of a walking workgroup, and workgroups of a head */
  readonly wide: number;
  readonly parts: number;
}

/** Floats of a state that a walking workgroup may hold. */
const STATE = 4096;

export function planOf(inputs: readonly Operand[], attrs: DeltaAttrs): Plan {
  const sizes = sizesOf(inputs);
  const { L, K, V } = sizes;
  const at = { P: 0, T: SIZE, W: 2 * SIZE, asked: 2 * SIZE + Q * K, keys: 2 * SIZE + 2 * Q * K, across: 2 * SIZE + 3 * Q * K, U: 2 * SIZE + (3 * Q + 1) * K, dU: 2 * SIZE + (3 * Q + 1) * K + Q * V };
  const wide = Math.max(1, Math.min(V, 32, Math.floor(STATE / K)));
  return { ...sizes, attrs, chunks: Math.ceil(L / Q), record: at.dU + Q * V, at, wide, parts: Math.ceil(V / wide) };
}

/** Declares where things are; `bound` are the operands that a kernel reads, by name. */
export function places({ L, H, K, V, chunks, record, attrs }: Plan, bound: Readonly<Record<string, GpuBinding | undefined>>): string {
  return lines(
    `fn record_of(m: u32) -> u32 { return m * ${record}u; }`,
    `fn exists(m: u32, t: u32) -> bool { return m % ${chunks}u * ${Q}u + t < ${L}u; }`,
    // row of token t of chunk m, in operands [B,L,H,…]
    `fn row_of(m: u32, t: u32) -> u32 {
  let head = m / ${chunks}u;
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

/** Makes the records, but for dU and, without delta, W, T and U. */
export function makeChunks(lowering: WebgpuLowering, plan: Plan, inputs: readonly Operand[], records: Operand): void {
  const { B, H, K, V, chunks, at, attrs: { delta, decay } } = plan;
  const { q, k, v, a, g } = named(inputs, plan.attrs);
  const bound = { q, k, ...(a && { a, v }), ...(g && { g }) };
  const between = `      var d = 1f;
      for (var r = s + 1u; r < t; r++) { d *= decay(r, i); }`;
  lowering.dispatch({
    name: 'delta_rule_chunks',
    bindings: { ...bound, records },
    tasks: B * H * chunks,
    code: lines(
      places(plan, bound),
      entryTables(plan, true),
      delta && `var<workgroup> inverse: array<f32, ${SIZE}>;\nvar<workgroup> pairs: array<f32, ${SIZE}>;`,
      main(lines(
        `  let record = record_of(task);
  let t = lane / ${Q}u;
  let s = lane % ${Q}u;
  var p = 0f;`,
        delta && `  var x = 0f;`,
        `  for (var i0 = 0u; i0 < ${K}u; i0 += ${ENTRIES}u) {
    load_entries(lane, task, i0);
    if (s <= t) {`,
        decay === 'scalar' && lines('      let i = 0u;', between),
        `      for (var ${decay === 'scalar' ? 'j' : 'i'} = 0u; ${decay === 'scalar' ? 'j' : 'i'} < ${ENTRIES}u; ${decay === 'scalar' ? 'j' : 'i'}++) {`,
        decay === 'scalar' && '      let at = j;',
        decay !== 'scalar' && '      let at = i;',
        decay === 'vector' && between,
        decay === 'none' && '      let d = 1f;',
        `      let key = k_at[s * ${ENTRIES}u + at];`,
        delta && `      x += select(0f, a_at[t * ${ENTRIES}u + at] * key * d, s < t);`,
        `      p += q_at[t * ${ENTRIES}u + at] * key * ${decay === 'none' ? 'd' : 'select(d, d * decay(t, i), s < t)'};
      }
    }
    for (var e = lane; e < ${Q * ENTRIES}u; e += ${SIZE}u) {
      let t = e / ${ENTRIES}u;
      let i = e % ${ENTRIES}u;
      if (i0 + i >= ${K}u) { continue; }
      let to = record + t * ${K}u + i0 + i;
      var d = 1f;`,
        decay !== 'none' && '      for (var r = 0u; r < t; r++) { d *= decay(r, i); }',
        delta && `      records[to + ${at.W}u] = d * a_at[e];`,
        `      d *= decay(t, i);
      records[to + ${at.asked}u] = d * q_at[e];
      if (t == ${Q - 1}u) { records[record + ${at.across}u + i0 + i] = d; }
      d = 1f;`,
        decay !== 'none' && `      for (var r = t + 1u; r < ${Q}u; r++) { d *= decay(r, i); }`,
        `      records[to + ${at.keys}u] = d * k_at[e];
    }
  }
  records[record + ${at.P}u + lane] = p;`,
        delta && `  pairs[lane] = x;
  storageBarrier();
  workgroupBarrier();
  if (lane < ${Q}u) {
    for (var t = 0u; t < ${Q}u; t++) {
      var y = select(0f, 1f, t == lane);
      for (var s = lane; s < t; s++) { y -= pairs[t * ${Q}u + s] * inverse[s * ${Q}u + lane]; }
      inverse[t * ${Q}u + lane] = y;
    }
  }
  workgroupBarrier();
  records[record + ${at.T}u + lane] = inverse[lane];
  for (var i = lane; i < ${K}u; i += ${SIZE}u) {
    for (var below = ${Q}u; below > 0u; below--) {
      let t = below - 1u;
      var sum = 0f;
      for (var s = 0u; s <= t; s++) { sum += inverse[t * ${Q}u + s] * records[record + ${at.W}u + s * ${K}u + i]; }
      records[record + ${at.W}u + t * ${K}u + i] = sum;
    }
  }
  for (var e = lane; e < ${Q * V}u; e += ${SIZE}u) {
    let t = e / ${V}u;
    var sum = 0f;
    for (var s = 0u; s <= t; s++) { sum += inverse[t * ${Q}u + s] * v_of(task, s, e % ${V}u); }
    records[record + ${at.U}u + e] = sum;
  }`,
      )),
    ),
  });
}

/** The walk over the chunks: y and the last state where they are wanted; U into the records and the states before chunks where `states` is given. */
export function walkStates(
  lowering: WebgpuLowering, plan: Plan, inputs: readonly Operand[], records: Operand, { y, last, states }: { y?: Operand | undefined; last?: Operand | undefined; states?: Operand },
): void {
  const { B, H, K, V, chunks, wide, parts, at, attrs: { delta, decay } } = plan;
  const bound = delta ? {} : { v: named(inputs, plan.attrs).v };
  lowering.dispatch({
    name: 'delta_rule_states',
    bindings: { ...bound, records, ...(y && { y }), ...(last && { last }), ...(states && { states }) },
    tasks: B * H * parts,
    code: lines(
      places(plan, bound),
      `var<workgroup> state: array<f32, ${K * wide}>;
var<workgroup> u_at: array<f32, ${Q * wide}>;`,
      main(lines(
        `  let j0 = task % ${parts}u * ${wide}u;
  for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) { state[e] = 0f; }
  for (var c = 0u; c < ${chunks}u; c++) {
    let m = task / ${parts}u * ${chunks}u + c;
    let record = record_of(m);
    workgroupBarrier();`,
        states && `    for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) {
      let j = j0 + e % ${wide}u;
      if (j < ${V}u) { states[m * ${2 * K * V}u + e / ${wide}u * ${V}u + j] = state[e]; }
    }`,
        `    for (var e = lane; e < ${Q * wide}u; e += ${SIZE}u) {
      let t = e / ${wide}u;
      let j = e % ${wide}u;
      if (j0 + j >= ${V}u) { continue; }
      let at = record + ${at.U}u + t * ${V}u + j0 + j;`,
        delta ? `      var u = records[at];
      for (var i = 0u; i < ${K}u; i++) { u -= records[record + ${at.W}u + t * ${K}u + i] * state[i * ${wide}u + j]; }` : `      let u = v_of(m, t, j0 + j);`,
        `      u_at[e] = u;`,
        states && '      records[at] = u;',
        `    }
    workgroupBarrier();`,
        y && `    for (var e = lane; e < ${Q * wide}u; e += ${SIZE}u) {
      let t = e / ${wide}u;
      let j = e % ${wide}u;
      if (j0 + j >= ${V}u || !exists(m, t)) { continue; }
      var sum = 0f;
      for (var i = 0u; i < ${K}u; i++) { sum += records[record + ${at.asked}u + t * ${K}u + i] * state[i * ${wide}u + j]; }
      for (var s = 0u; s <= t; s++) { sum += records[record + ${at.P}u + t * ${Q}u + s] * u_at[s * ${wide}u + j]; }
      y[row_of(m, t) * ${V}u + j0 + j] = sum;
    }
    workgroupBarrier();`,
        `    for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) {
      let i = e / ${wide}u;
      let j = e % ${wide}u;
      if (j0 + j >= ${V}u) { continue; }
      var sum = ${decay === 'none' ? '' : `records[record + ${at.across}u + i] * `}state[e];
      for (var s = 0u; s < ${Q}u; s++) { sum += records[record + ${at.keys}u + s * ${K}u + i] * u_at[s * ${wide}u + j]; }
      state[e] = sum;
    }
  }`,
        last && `  workgroupBarrier();
  for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) {
    let j = j0 + e % ${wide}u;
    if (j < ${V}u) { last[(task / ${parts}u * ${K}u + e / ${wide}u) * ${V}u + j] = state[e]; }
  }`,
      )),
    ),
  });
}
