/**
 * Attention of one new token over a cache as WGSL. A workgroup has a part of one head's context: each of its groups of invocations reads whole rows side
 * by side, several at a time, under a softmax of its own, and these are put together at the end; with few heads a second launch puts the parts
 * together. The grid is fixed by the capacity; parts grow with the context, and a workgroup without rows returns at once.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import { vectorFor } from '../webgpu-vector.ts';

const SIZE = 256;
/** rows that an invocation fetches from at a time */
const EACH = 4;
/** invocations, at most, that share a row */
const WIDEST = 64;
/** workgroups that keep a GPU busy: with fewer heads, contexts are split */
const MANY = 264;
/** stands for −∞: a masked score, and the maximum of none */
const LOWEST = f32(-1e30);

/** q, k, v, keys, values, places → y, keys, values. */
export function cachedAttentionWebgpu(lowering: WebgpuLowering): void {
  const [q, k, v, keys, values, places] = lowering.inputs;
  const [y, nextKeys, nextValues] = lowering.outputs;
  const [B, H, C, K] = keys.shape as [number, number, number, number];
  if (nextKeys.used) lowering.copy(keys, nextKeys);
  if (nextValues.used) lowering.copy(values, nextValues);
  const vector = vectorFor(K);
  const { T } = vector;
  const columns = K / vector.width;
  let across = 1;
  while (across < Math.min(columns, WIDEST)) across *= 2;
  const groups = SIZE / across;
  const tile = groups * EACH;
  /** vectors of a row that an invocation has */
  const parts = Math.ceil(columns / across);
  const splits = Math.min(Math.ceil(C / tile), Math.ceil(MANY / (B * H)));
  const c = f32(Math.LOG2E / Math.sqrt(K));
  // for the rows alone the same kernel will do
  const result = y.used ? y : lowering.buffer(B, H, K);
  const bind = (operand: Operand): GpuBinding => ({ operand, as: T });
  const column = (p: number) => `(column + ${p * across}u)`;
  const eachRow = (text: (r: number) => string) => repeat(EACH, text);
  const eachPart = (text: (p: number) => string) => repeat(parts, (p) => (columns % across === 0 ? text(p) : `if (${column(p)} < ${columns}u) {\n${text(p)}\n}`));

  /** A kernel's beginning: places of an invocation, and of the task the head; n rows of the head are seen, `rows` of them by a part. */
  const opening = (head: string): string => `
var<workgroup> seen: u32;
var<workgroup> highs: array<f32, ${groups}>;
var<workgroup> totals: array<f32, ${groups}>;
var<workgroup> sums: array<${T}, ${SIZE}>;
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(workgroup);
  if (task >= TASKS) { return; }
  let head = ${head};
  if (lane == 0u) {
    let place = places[head / ${H}u];
    seen = select(0u, u32(place) + 1u, place >= 0 && place < ${C});
  }
  let n = workgroupUniformLoad(&seen);
  let rows = max(${tile}u, (n + ${splits - 1}u) / ${splits}u);
  let column = lane % ${across}u;
  let group = lane / ${across}u;
  var high = ${LOWEST};
  var total = 0f;
  ${repeat(parts, (p) => `var sum${p} = ${T}();`)}`;

  /** Puts the softmaxes of all groups together: then `put` has its sum in sums[lane], of `most` and `whole`. */
  const closing = (put: (p: number) => string): string => lines(
    'if (column == 0u) { highs[group] = high; totals[group] = total; }',
    'workgroupBarrier();',
    `var most = ${LOWEST};`,
    'var whole = 0f;',
    `for (var g = 0u; g < ${groups}u; g++) { most = max(most, highs[g]); }`,
    `for (var g = 0u; g < ${groups}u; g++) { whole += totals[g] * exp2((highs[g] - most) * ${c}); }`,
    `let own = exp2((high - most) * ${c});`,
    repeat(parts, (p) => lines(
      'workgroupBarrier();',
      `sums[lane] = sum${p} * own;`,
      `for (var half = ${groups / 2}u; half > 0u; half /= 2u) {`,
      'workgroupBarrier();',
      `if (group < half) { sums[lane] += sums[lane + half * ${across}u]; }`,
      '}',
      `if (group == 0u && ${column(p)} < ${columns}u) { ${put(p)} }`,
    )),
  );

  const shares = splits === 1 ? undefined : { sums: lowering.buffer(B * H, splits, K), softmaxes: lowering.buffer(B * H, splits, 2) };
  const ofHead = (p: number) => `head * ${columns}u + ${column(p)}`;
  lowering.dispatch({
    name: 'cached_attention',
    bindings: {
      q: bind(q), k: bind(k), v: bind(v), keys: bind(keys), values: bind(values), places,
      ...(nextKeys.used && { next_keys: bind(nextKeys) }),
      ...(nextValues.used && { next_values: bind(nextValues) }),
      ...(shares === undefined ? { result: bind(result) } : { shares: bind(shares.sums), softmaxes: { operand: shares.softmaxes, as: 'vec2<f32>' } }),
    },
    tasks: B * H * splits,
    code: lines(
      `var<workgroup> dots: array<f32, ${SIZE * EACH}>;`,
      `var<workgroup> scores: array<f32, ${tile}>;`,
      opening(`task / ${splits}u`),
      `let first = task % ${splits}u * rows;`,
      'if (first >= n) {',
      shares === undefined && `for (var e = lane; e < ${columns}u; e += ${SIZE}u) { result[head * ${columns}u + e] = ${T}(); }`,
      'return;',
      '}',
      'let last = min(n, first + rows);',
      repeat(parts, (p) => `var q${p} = ${T}();`),
      eachPart((p) => `q${p} = q[${ofHead(p)}];`),
      `for (var start = first; start < last; start += ${tile}u) {`,
      eachRow((r) => lines(
        repeat(parts, (p) => `var k${r}_${p} = ${T}(); var v${r}_${p} = ${T}();`),
        `let j${r} = start + ${r * groups}u + group;`,
        // the new token's row is the last; nobody reads it from the cache
        `if (j${r} < last) {`,
        `let row = (head * ${C}u + j${r}) * ${columns}u;`,
        `if (j${r} + 1u < n) {`,
        eachPart((p) => `k${r}_${p} = keys[row + ${column(p)}]; v${r}_${p} = values[row + ${column(p)}];`),
        '} else {',
        eachPart((p) => lines(
          `k${r}_${p} = k[${ofHead(p)}]; v${r}_${p} = v[${ofHead(p)}];`,
          nextKeys.used && `next_keys[row + ${column(p)}] = k${r}_${p};`,
          nextValues.used && `next_values[row + ${column(p)}] = v${r}_${p};`,
        )),
        '}',
        '}',
      )),
      eachRow((r) => `dots[${r * SIZE}u + lane] = ${Array.from({ length: parts }, (_, p) => vector.dot(`q${p}`, `k${r}_${p}`)).join(' + ')};`),
      'workgroupBarrier();',
      `for (var e = lane; e < ${tile}u; e += ${SIZE}u) {`,
      'var s = 0f;',
      // each row begins elsewhere, so that invocations read from different banks
      `for (var a = 0u; a < ${across}u; a++) { s += dots[e * ${across}u + (a + e) % ${across}u]; }`,
      'scores[e] = s;',
      '}',
      'workgroupBarrier();',
      eachRow((r) => `let s${r} = select(${LOWEST}, scores[${r * groups}u + group], j${r} < last);`),
      `let higher = max(high, max(max(s0, s1), max(s2, s3)));`,
      `let kept = exp2((high - higher) * ${c});`,
      'high = higher;',
      eachRow((r) => `let p${r} = select(0f, exp2((s${r} - high) * ${c}), j${r} < last);`),
      'total = total * kept + (p0 + p1 + p2 + p3);',
      repeat(parts, (p) => `sum${p} = sum${p} * kept + (p0 * v0_${p} + p1 * v1_${p} + p2 * v2_${p} + p3 * v3_${p});`),
      '}',
      closing((p) => (shares === undefined ? `result[${ofHead(p)}] = sums[lane] / whole;` : `shares[task * ${columns}u + ${column(p)}] = sums[lane];`)),
      shares !== undefined && 'if (lane == 0u) { softmaxes[task] = vec2f(most, whole); }',
      '}',
    ),
  });
  if (shares === undefined) return;
  lowering.dispatch({
    name: 'cached_attention_combine',
    bindings: { shares: bind(shares.sums), softmaxes: { operand: shares.softmaxes, as: 'vec2<f32>' }, places, result: bind(result) },
    tasks: B * H,
    code: lines(
      opening('task'),
      `for (var s = group; s * rows < n; s += ${groups}u) {`,
      `let at = head * ${splits}u + s;`,
      'let softmax = softmaxes[at];',
      'let higher = max(high, softmax.x);',
      `let kept = exp2((high - higher) * ${c});`,
      `let share = exp2((softmax.x - higher) * ${c});`,
      'high = higher;',
      'total = total * kept + softmax.y * share;',
      eachPart((p) => `sum${p} = sum${p} * kept + shares[at * ${columns}u + ${column(p)}] * share;`),
      '}',
      closing((p) => `result[${ofHead(p)}] = select(${T}(), sums[lane] / whole, n > 0u);`),
      '}',
    ),
  });
}
