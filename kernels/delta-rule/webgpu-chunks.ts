/** The delta rule's chunks as WGSL, side by side, and the walk over them with the states. */
import type { Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import { named } from './sizes.ts';
import { ENTRIES, entryTables, main, places, Q, SIZE, type Plan } from './webgpu-plan.ts';

/** Makes the records, but for dU and, without delta, W, T and U. */
export function makeChunks(lowering: WebgpuLowering, plan: Plan, inputs: readonly Operand[], records: Operand): void {
  const { heads, K, V, chunks, at, attrs: { delta, decay } } = plan;
  const { q, k, v, a, g } = named(inputs, plan.attrs);
  const bound = { q, k, ...(a && { a, v }), ...(g && { g }) };
  /** d, the decay of entry i between s and the token before t */
  const between = (i: string) => `      var d = 1f;
      for (var r = s + 1u; r < t; r++) { d *= decay(r, ${i}); }`;
  lowering.dispatch({
    name: 'delta_rule_chunks',
    bindings: { ...bound, records },
    tasks: heads * chunks,
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
        decay !== 'vector' && between('0u'),
        `      for (var i = 0u; i < ${ENTRIES}u; i++) {`,
        decay === 'vector' && between('i'),
        `      let key = k_at[s * ${ENTRIES}u + i] * d;`,
        delta && `      x += select(0f, a_at[t * ${ENTRIES}u + i] * key, s < t);`,
        `      p += q_at[t * ${ENTRIES}u + i] * key * select(1f, decay(t, i), s < t);
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
  const { heads, first, K, V, chunks, wide, parts, at, attrs: { delta, decay } } = plan;
  const bound = delta ? {} : { v: named(inputs, plan.attrs).v };
  lowering.dispatch({
    name: 'delta_rule_states',
    bindings: { ...bound, records, ...(y && { y }), ...(last && { last }), ...(states && { states }) },
    tasks: heads * parts,
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
    if (j < ${V}u) { last[((${first}u + task / ${parts}u) * ${K}u + e / ${wide}u) * ${V}u + j] = state[e]; }
  }`,
      )),
    ),
  });
}
