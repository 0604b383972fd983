/**
 * The gradients of the delta rule as WGSL: the records and states of the forward pass, a walk back with Z, the gradient of the state after a chunk, and
 * then all chunks side by side. Letters as in portable.ts and webgpu-plan.ts.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import { named, type DeltaAttrs } from './sizes.ts';
import { makeChunks, walkStates } from './webgpu-chunks.ts';
import { ENTRIES, entryTables, main, places, plansOf, Q, SIZE, type Plan } from './webgpu-plan.ts';

/** dU = Pᵀ dY + K̃ Z into the records and Z beside the states; Z ← e^{G_Q} ∘ Z + Q̃ᵀ dY − Wᵀ dU. */
function walkBack(lowering: WebgpuLowering, plan: Plan, dy: Operand, records: Operand, states: Operand): void {
  const { heads, K, V, chunks, wide, parts, at, attrs: { delta, decay } } = plan;
  lowering.dispatch({
    name: 'delta_rule_gradient_states',
    bindings: { dy, records, states },
    tasks: heads * parts,
    code: lines(
      places(plan, { dy }),
      `var<workgroup> z: array<f32, ${K * wide}>;
var<workgroup> dy_at: array<f32, ${Q * wide}>;
var<workgroup> du_at: array<f32, ${Q * wide}>;`,
      main(lines(
        `  let j0 = task % ${parts}u * ${wide}u;
  for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) { z[e] = 0f; }
  for (var after = ${chunks}u; after > 0u; after--) {
    let m = task / ${parts}u * ${chunks}u + after - 1u;
    let record = record_of(m);
    workgroupBarrier();
    for (var e = lane; e < ${Q * wide}u; e += ${SIZE}u) { dy_at[e] = dy_of(m, e / ${wide}u, j0 + e % ${wide}u); }
    for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) {
      let j = j0 + e % ${wide}u;
      if (j < ${V}u) { states[m * ${2 * K * V}u + ${K * V}u + e / ${wide}u * ${V}u + j] = z[e]; }
    }
    workgroupBarrier();
    for (var e = lane; e < ${Q * wide}u; e += ${SIZE}u) {
      let s = e / ${wide}u;
      let j = e % ${wide}u;
      if (j0 + j >= ${V}u) { continue; }
      var sum = 0f;
      for (var t = s; t < ${Q}u; t++) { sum += records[record + ${at.P}u + t * ${Q}u + s] * dy_at[t * ${wide}u + j]; }
      for (var i = 0u; i < ${K}u; i++) { sum += records[record + ${at.keys}u + s * ${K}u + i] * z[i * ${wide}u + j]; }
      du_at[e] = sum;
      records[record + ${at.dU}u + s * ${V}u + j0 + j] = sum;
    }
    workgroupBarrier();
    for (var e = lane; e < ${K * wide}u; e += ${SIZE}u) {
      let i = e / ${wide}u;
      let j = e % ${wide}u;
      if (j0 + j >= ${V}u) { continue; }
      var sum = ${decay === 'none' ? '' : `records[record + ${at.across}u + i] * `}z[e];
      for (var t = 0u; t < ${Q}u; t++) {
        sum += records[record + ${at.asked}u + t * ${K}u + i] * dy_at[t * ${wide}u + j];`,
        delta && `        sum -= records[record + ${at.W}u + t * ${K}u + i] * du_at[t * ${wide}u + j];`,
        `      }
      z[e] = sum;
    }
  }`,
      )),
    ),
  });
}

/** The gradients of a chunk's operands, by its states, Z, U and dU. */
function chunkGradients(lowering: WebgpuLowering, plan: Plan, dy: Operand, inputs: readonly Operand[], records: Operand, states: Operand): void {
  const { heads, K, V, chunks, at, attrs } = plan;
  const { delta, decay } = attrs;
  const { q, k, a, g } = named(inputs, attrs);
  const out = named(lowering.outputs, attrs);
  const wanted = (name: keyof typeof out) => out[name]?.used === true;
  const bound = { dy, q, k, ...(a && { a }), ...(g && { g }) };
  const outputs: Record<string, GpuBinding> = {};
  for (const [name, operand] of Object.entries(out)) if (operand?.used) outputs[`d${name}`] = operand;
  const table = (name: string) => `var<workgroup> ${name}: array<f32, ${Q * ENTRIES}>;`;
  const pair = (name: string, t: string, s: string) => `${name}[(${t}) * ${Q}u + ${s}]`;
  const entry = (name: string, t: string) => `${name}[(${t}) * ${ENTRIES}u + i]`;

  const dq = `      {
        var d = 1f;
        var sum = 0f;
        for (var below = t + 1u; below > 0u; below--) {
          let s = below - 1u;
          sum += ${pair('dp', 't', 's')} * ${entry('k_at', 's')} * d;
          d *= decay(s, i);
        }
        dq[row + i0 + i] = sum + d * dq_at[e];
      }`;
  const da = `      {
        var d = 1f;
        var sum = 0f;
        for (var below = t; below > 0u; below--) {
          let s = below - 1u;
          sum += ${pair('dx', 't', 's')} * ${entry('k_at', 's')} * d;
          d *= decay(s, i);
        }
        da[row + i0 + i] = sum + d * da_at[e];
      }`;
  const dk = lines(
    `      {
        var d = 1f;
        var sum = 0f;
        for (var r = t; r < ${Q}u; r++) {
          if (r > t) {`,
    delta && `            sum += ${pair('dx', 'r', 't')} * ${entry('a_at', 'r')} * d;`,
    `            d *= decay(r, i);
          }
          sum += ${pair('dp', 'r', 't')} * ${entry('q_at', 'r')} * d;
        }
        dk[row + i0 + i] = sum + d * dk_at[e];
      }`,
  );
  // what passes from before t to t or later
  const dg = lines(
    `      {
        var sum = through[i];
        var d = 1f;
        for (var r = 0u; r < ${Q}u; r++) {`,
    delta && `          if (r > t) { sum += ${entry('a_at', 'r')} * d * ${entry('da_at', 'r')}; }`,
    `          d *= decay(r, i);
          if (r >= t) { sum += ${entry('q_at', 'r')} * d * ${entry('dq_at', 'r')}; }
        }
        var early = 1f; // from a writer to the token before t
        for (var below = t; below > 0u; below--) {
          let s = below - 1u;
          let key = ${entry('k_at', 's')} * early;
          d = 1f;
          var reads = 0f;
          for (var r = t; r < ${Q}u; r++) {`,
    delta && `            if (r > t) { reads += ${pair('dx', 'r', 's')} * ${entry('a_at', 'r')} * d; }`,
    `            d *= decay(r, i);
            reads += ${pair('dp', 'r', 's')} * ${entry('q_at', 'r')} * d;
          }
          sum += key * (reads + d * ${entry('dk_at', 's')});
          early *= decay(s, i);
        }
        ${decay === 'scalar' ? 'dg_at[e] += sum;' : 'dg[row + i0 + i] = sum;'}
      }`,
  );
  lowering.dispatch({
    name: 'delta_rule_gradient_chunks',
    bindings: { ...bound, records, states, ...outputs },
    tasks: heads * chunks,
    code: lines(
      places(plan, bound),
      entryTables(plan, true),
      ['dq_at', 'dk_at', ...(delta ? ['da_at'] : []), ...(decay === 'scalar' ? ['dg_at'] : [])].map(table),
      `var<workgroup> through: array<f32, ${ENTRIES}>;
var<workgroup> dp: array<f32, ${SIZE}>;`,
      delta && `var<workgroup> dx: array<f32, ${SIZE}>;`,
      main(lines(
        `  let record = record_of(task);
  let base = task * ${2 * K * V}u;`,
        delta && `  for (var j = lane; j < ${V}u; j += ${SIZE}u) {
    for (var s = 0u; s < ${Q}u; s++) {
      var sum = 0f;
      for (var t = s; t < ${Q}u; t++) { sum += records[record + ${at.T}u + t * ${Q}u + s] * records[record + ${at.dU}u + t * ${V}u + j]; }
      records[record + ${at.dU}u + s * ${V}u + j] = sum;
    }
  }
  storageBarrier();
  workgroupBarrier();`,
        wanted('v') && `  for (var e = lane; e < ${Q * V}u; e += ${SIZE}u) {
    if (exists(task, e / ${V}u)) { dv[row_of(task, e / ${V}u) * ${V}u + e % ${V}u] = records[record + ${at.dU}u + e]; }
  }`,
        `  {
    let t = lane / ${Q}u;
    let s = lane % ${Q}u;
    var p = 0f;
    var x = 0f;
    if (s <= t) {
      for (var j = 0u; j < ${V}u; j++) {
        let u = records[record + ${at.U}u + s * ${V}u + j];
        p += dy_of(task, t, j) * u;`,
        delta && `        x -= select(0f, records[record + ${at.dU}u + t * ${V}u + j] * u, s < t);`,
        `      }
    }
    dp[lane] = p;`,
        delta && '    dx[lane] = x;',
        `  }`,
        decay === 'scalar' && `  for (var e = lane; e < ${Q * ENTRIES}u; e += ${SIZE}u) { dg_at[e] = 0f; }`,
        `  for (var i0 = 0u; i0 < ${K}u; i0 += ${ENTRIES}u) {
    load_entries(lane, task, i0);
    for (var e = lane; e < ${Q * ENTRIES}u; e += ${SIZE}u) {
      let t = e / ${ENTRIES}u;
      let i = i0 + e % ${ENTRIES}u;
      var asked = 0f;
      var read = 0f;
      var written = 0f;
      if (i < ${K}u) {
        for (var j = 0u; j < ${V}u; j++) {
          let s = states[base + i * ${V}u + j];
          asked += dy_of(task, t, j) * s;`,
        delta && `          read -= records[record + ${at.dU}u + t * ${V}u + j] * s;`,
        `          written += records[record + ${at.U}u + t * ${V}u + j] * states[base + ${K * V}u + i * ${V}u + j];
        }
      }
      dq_at[e] = asked;
      dk_at[e] = written;`,
        delta && '      da_at[e] = read;',
        `    }
    if (lane < ${ENTRIES}u) {
      var sum = 0f;
      let i = i0 + lane;
      if (i < ${K}u) {
        for (var j = 0u; j < ${V}u; j++) { sum += states[base + i * ${V}u + j] * states[base + ${K * V}u + i * ${V}u + j]; }
        sum *= records[record + ${at.across}u + i];
      }
      through[lane] = sum;
    }
    workgroupBarrier();
    for (var e = lane; e < ${Q * ENTRIES}u; e += ${SIZE}u) {
      let t = e / ${ENTRIES}u;
      let i = e % ${ENTRIES}u;
      if (i0 + i >= ${K}u || !exists(task, t)) { continue; }
      let row = row_of(task, t) * ${K}u;`,
        wanted('q') && dq, wanted('a') && da, wanted('k') && dk, wanted('g') && dg,
        `    }
  }`,
        decay === 'scalar' && wanted('g') && `  workgroupBarrier();
  if (lane < ${Q}u && exists(task, lane)) {
    var sum = 0f;
    for (var i = 0u; i < ${ENTRIES}u; i++) { sum += dg_at[lane * ${ENTRIES}u + i]; }
    dg[row_of(task, lane)] = sum;
  }`,
      )),
    ),
  });
}

export function deltaRuleGradientWebgpu(lowering: WebgpuLowering, attrs: DeltaAttrs, room?: number): void {
  const [dy, ...inputs] = lowering.inputs;
  const plans = plansOf(inputs, attrs, 2, room);
  const { heads, K, V, chunks, record } = plans[0];
  const records = lowering.buffer(heads * chunks, record);
  const states = lowering.buffer(heads * chunks, 2, K, V);
  for (const plan of plans) {
    makeChunks(lowering, plan, inputs, records);
    walkStates(lowering, plan, inputs, records, { states });
    walkBack(lowering, plan, dy, records, states);
    chunkGradients(lowering, plan, dy, inputs, records, states);
  }
}
