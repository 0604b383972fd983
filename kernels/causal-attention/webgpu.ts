/**
 * Causal softmax attention as WGSL (FlashAttention-2, Dao 2023). Forward: a workgroup for every 64 queries goes through the tiles of keys up to
 * the diagonal with an online softmax. Backward: tiles of transposed scores, keys by queries, made anew from logSumExp; L×L is never held.
 * Channels beyond what an invocation can sum in registers are dealt to further workgroups ("slabs"), which make the scores again.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import {
  BLOCK, column, columns, declarations, eachRow, eachScore, elements, lineReader, quads, reader, row, score, scores, scoresReach, tileTimes, tiling, transposedTileTimes, writer, zeroSums, type Tiling,
} from './webgpu-tiles.ts';

/** so many heads keep a GPU busy with one workgroup each */
const MANY_HEADS = 256;
/** vec4s of channels that a workgroup sums for each row: what fits in registers */
const SLAB = 32;
/** stands for −∞: a masked score, and the maximum of none */
const LOWEST = f32(-1e30);

interface Sizes {
  B: number;
  L: number;
  H: number;
  K: number;
  P: number;
}

const sizesOf = ({ inputs: [q, , v] }: WebgpuLowering): Sizes => {
  const [B, L, H, K] = q.shape as [number, number, number, number];
  return { B, L, H, K, P: v.shape[3] };
};

const channels = (operand: Operand, C: number): GpuBinding => ({ operand, as: elements(C) });
const present = <T>(entries: Record<string, T | false>): Record<string, T> => Object.fromEntries(Object.entries(entries).filter((e): e is [string, T] => e[1] !== false));

/** vec4s of C channels for each row of an invocation, and the slabs that they make. */
const wideOf = (C: number, { across }: Tiling): number => Math.ceil(Math.min(SLAB, quads(C)) / across);
const slabsOf = (C: number): number => Math.ceil(quads(C) / SLAB);
/** How many vec4s of a row are asked for. */
const reachOf = (C: number, t: Tiling, slabs: number): number => Math.max(scoresReach(t, C), slabs * wideOf(C, t) * t.across);

/** The beginning of a kernel: its invocations' places, and of its task the slab (fastest), the block and the head; `head` is the row of the head's first token. */
const opening = (t: Tiling, slabs: number, blocks: number, { L, H }: Sizes): string => `
@compute @workgroup_size(${t.size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
  let side = lane % ${t.across}u;
  let down = lane / ${t.across}u;
  let slab = task % ${slabs}u;
  let block = task / ${slabs}u % ${blocks}u;
  let index = task / ${slabs * blocks}u;
  let head = index / ${H}u * ${L * H}u + index % ${H}u;`;

/** q, k, v → y, logSumExp. */
export function attentionWebgpu(lowering: WebgpuLowering): void {
  const sizes = sizesOf(lowering);
  const { B, L, H, K, P } = sizes;
  const [q, k, v] = lowering.inputs;
  const [y, logSumExp] = lowering.outputs;
  const t = tiling(lowering.gpu, 8);
  const wide = wideOf(P, t);
  // scores are kept as q·k: e to the power of the true score is 2^(c·q·k)
  const c = f32(Math.LOG2E / Math.sqrt(K));
  const slabs = y.used ? slabsOf(P) : 1;
  const blocks = Math.ceil(L / BLOCK);
  const groups = BLOCK / 4 / t.across;
  const firstChannel = `slab * ${wide * t.across}u`;
  /** combines an invocation's scores of row i */
  const alongRow = (i: number, f: string, combine: (a: string, b: string) => string) => `${f}(${Array.from({ length: groups }, (_, h) => `s${i}_${h}`).reduce(combine)})`;
  const rowsVector = (text: (i: number) => string) => `vec4f(${[0, 1, 2, 3].map(text).join(', ')})`;
  /** combines a vec4 of row statistics over the invocations of a row, in the same order everywhere */
  const acrossRow = (name: string, combine: (a: string, b: string) => string) => `
    shared_rows[down * ${t.across + 1}u + side] = ${name};
    workgroupBarrier();
    ${name} = shared_rows[down * ${t.across + 1}u];
    for (var other = 1u; other < ${t.across}u; other++) { ${name} = ${combine(name, `shared_rows[down * ${t.across + 1}u + other]`)}; }`;
  const max = (a: string, b: string) => `max(${a}, ${b})`;
  const add = (a: string, b: string) => `${a} + ${b}`;

  lowering.dispatch({
    name: 'causal_attention_forward',
    bindings: present<GpuBinding>({ q: channels(q, K), k: channels(k, K), v: y.used && channels(v, P), result: y.used && channels(y, P), logSumExp: logSumExp.used && logSumExp }),
    tasks: B * H * blocks * slabs,
    code: lines(
      declarations(t),
      `var<workgroup> shared_rows: array<vec4f, ${16 * (t.across + 1)}>;`,
      'fn largest(x: vec4f) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }',
      'fn total_of(x: vec4f) -> f32 { return (x.x + x.y) + (x.z + x.w); }',
      reader('q', L, H, K, scoresReach(t, K)),
      reader('k', L, H, K, scoresReach(t, K)),
      y.used && [reader('v', L, H, P, reachOf(P, t, slabs)), writer('result', L, H, P)],
      opening(t, slabs, blocks, sizes),
      // the longest first
      `let i0 = ${BLOCK}u * (${blocks - 1}u - block);`,
      `var most = vec4f(${LOWEST});`,
      'var total = vec4f();',
      y.used && zeroSums('y', wide),
      `for (var j0 = 0u; j0 <= i0; j0 += ${BLOCK}u) {`,
      'let whole = j0 < i0;',
      scores(t, 's', 'q', 'i0', 'k', 'j0', K, (i, h) => 16 * (i + 1) <= 4 * t.across * h),
      'if (!whole) {',
      eachScore(t, (i, h) => `s${i}_${h} = select(s${i}_${h}, vec4f(${LOWEST}), ${columns(t, h)} > vec4u(${row(i)}));`),
      '}',
      `var high = max(most, ${rowsVector((i) => alongRow(i, 'largest', max))});`,
      acrossRow('high', max),
      `let kept = exp2((most - high) * ${c});`,
      'most = high;',
      eachScore(t, (i, h) => `s${i}_${h} = exp2((s${i}_${h} - high[${i}]) * ${c});`),
      `total = total * kept + ${rowsVector((i) => alongRow(i, 'total_of', add))};`,
      y.used && [
        eachScore(t, (i, h) => `${score(t, i, h)} = s${i}_${h};`),
        eachRow((i) => repeat(wide, (g) => `y${i}_${g} *= kept[${i}];`)),
        tileTimes(t, 'y', 'v', 'j0', firstChannel, wide, [0, 1], `first < ${BLOCK / 2}u`),
      ],
      '}',
      'workgroupBarrier();',
      acrossRow('total', add),
      y.used && eachRow((i) => repeat(wide, (g) => `result_put(head, i0 + ${row(i)}, ${firstChannel} + ${column(t, g)}, y${i}_${g} / total[${i}]);`)),
      logSumExp.used && [
        'if (side == 0u && slab == 0u) {',
        `let sums = most * ${f32(1 / Math.sqrt(K))} + log(total);`,
        eachRow((i) => `if (i0 + ${row(i)} < ${L}u) { logSumExp[index * ${L}u + i0 + ${row(i)}] = sums[${i}]; }`),
        '}',
      ],
      '}',
    ),
  });
}

/** q, k, v, y, logSumExp, dy → dq, dk, dv. */
export function attentionGradientWebgpu(lowering: WebgpuLowering): void {
  const { B, L, H } = sizesOf(lowering);
  const [, , , y, , dy] = lowering.inputs;
  const [dq, dk, dv] = lowering.outputs;
  const delta = dq.used || dk.used ? lowering.buffer(B * H, L) : undefined;
  if (delta !== undefined) deltas(lowering, y, dy, delta);
  const byKeys = dk.used || dv.used;
  // one pass over a head shares the scores between all gradients; with few heads the blocks have to be the tasks
  if (dq.used && byKeys && (B * H >= MANY_HEADS || L <= BLOCK)) return gradient(lowering, 'heads', delta);
  if (dq.used) gradient(lowering, 'queries', delta);
  if (byKeys) gradient(lowering, 'keys', delta);
}

/** δ[b,h,l] = Σ_p dy⊙y, which is Σ_j p_ij·dp_ij. */
function deltas(lowering: WebgpuLowering, y: Operand, dy: Operand, delta: Operand): void {
  const { B, L, H, P } = sizesOf(lowering);
  const size = 256;
  /** rows of a workgroup; 16 invocations side by side read one */
  const rows = 64;
  lowering.dispatch({
    name: 'causal_attention_delta',
    bindings: { result: channels(y, P), gradient: channels(dy, P), delta },
    tasks: Math.ceil((B * L * H) / rows),
    code: `
${lineReader('result', P)}
${lineReader('gradient', P)}
var<workgroup> shares: array<f32, ${rows * 17}>;
@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = task_of(group) * ${rows}u;
  for (var r = lane / 16u; r < ${rows}u; r += ${size / 16}u) {
    var share = 0f;
    if (first + r < ${B * L * H}u) {
      for (var c = lane % 16u; c < ${quads(P)}u; c += 16u) { share += dot(result_quad(first + r, c), gradient_quad(first + r, c)); }
    }
    shares[r * 17u + lane % 16u] = share;
  }
  workgroupBarrier();
  let line = first + lane;
  if (lane >= ${rows}u || line >= ${B * L * H}u) { return; }
  var sum = 0f;
  for (var c = 0u; c < 16u; c++) { sum += shares[lane * 17u + c]; }
  delta[(line / ${L * H}u * ${H}u + line % ${H}u) * ${L}u + line / ${H}u % ${L}u] = sum;
}`,
  });
}

/**
 * Gradients from tiles of keys by queries. 'keys': a task is a block of keys, and sums dk and dv over the queries from it on. 'queries': a task is
 * a block of queries, and sums dq over the keys up to it. 'heads': a task is a head; dq grows in memory, block of keys after block of keys.
 */
function gradient(lowering: WebgpuLowering, tasks: 'heads' | 'keys' | 'queries', delta: Operand | undefined): void {
  const sizes = sizesOf(lowering);
  const { B, L, H, K, P } = sizes;
  const [q, k, v, , logSumExp, dy] = lowering.inputs;
  const [dq, dk, dv] = lowering.outputs;
  const want = { dq: dq.used && tasks !== 'keys', dk: dk.used && tasks !== 'queries', dv: dv.used && tasks !== 'queries' };
  const scoreGradients = want.dq || want.dk;
  const t = tiling(lowering.gpu, Math.max(K, P) <= 64 ? 8 : 16);
  const [wideK, wideP] = [wideOf(K, t), wideOf(P, t)];
  const [firstK, firstP] = [wideK, wideP].map((wide) => `slab * ${wide * t.across}u`);
  const slabs = Math.max(want.dq || want.dk ? slabsOf(K) : 1, want.dv ? slabsOf(P) : 1);
  const blocks = tasks === 'heads' ? 1 : Math.ceil(L / BLOCK);
  const groups = BLOCK / 4 / t.across;
  // keys that all queries of a group precede
  const idle = (i: number, h: number) => 16 * i >= 4 * t.across * (h + 1);
  const busy = `first >= ${BLOCK / 2}u`;
  const put = (name: string, sum: string, first: string, rowOf: (i: number) => string, wide: number, firstChannel: string) =>
    eachRow((i) => repeat(wide, (g) => `${name}_put(head, ${first} + ${rowOf(i)}, ${firstChannel} + ${column(t, g)}, ${sum}${i}_${g});`));
  const ofFour = (i: number) => `(4u * down + ${i}u)`;
  /** a number for each of an invocation's queries */
  const line = (name: string) => repeat(groups, (h) => `let ${name}${h} = ${name}_quad(index, i0 / 4u + ${column(t, h)});`);

  lowering.dispatch({
    name: `causal_attention_gradient_${tasks}`,
    bindings: present<GpuBinding>({
      q: channels(q, K),
      k: channels(k, K),
      v: scoreGradients && channels(v, P),
      logSumExp: channels(logSumExp, L),
      dy: channels(dy, P),
      delta: scoreGradients && channels(delta!, L),
      dq: want.dq && channels(dq, K),
      dk: want.dk && channels(dk, K),
      dv: want.dv && channels(dv, P),
    }),
    tasks: B * H * blocks * slabs,
    code: lines(
      declarations(t),
      reader('q', L, H, K, reachOf(K, t, slabs)),
      reader('k', L, H, K, reachOf(K, t, slabs)),
      reader('dy', L, H, P, reachOf(P, t, slabs)),
      lineReader('logSumExp', L),
      scoreGradients && [reader('v', L, H, P, scoresReach(t, P)), lineReader('delta', L)],
      want.dq && writer('dq', L, H, K),
      want.dq && tasks === 'heads' && reader('dq', L, H, K, reachOf(K, t, slabs)),
      want.dk && writer('dk', L, H, K),
      want.dv && writer('dv', L, H, P),
      opening(t, slabs, blocks, sizes),
      // the longest first: the first keys, the last queries
      tasks === 'queries' && [`let i0 = ${BLOCK}u * (${blocks - 1}u - block);`, zeroSums('dq', wideK), `for (var j0 = 0u; j0 <= i0; j0 += ${BLOCK}u) {`],
      tasks === 'keys' && `let j0 = ${BLOCK}u * block;`,
      tasks === 'heads' && `for (var j0 = 0u; j0 < ${L}u; j0 += ${BLOCK}u) {`,
      want.dk && zeroSums('dk', wideK),
      want.dv && zeroSums('dv', wideP),
      tasks !== 'queries' && `for (var i0 = j0; i0 < ${L}u; i0 += ${BLOCK}u) {`,
      'let whole = j0 < i0;',
      scores(t, 's', 'k', 'j0', 'q', 'i0', K, idle),
      line('logSumExp'),
      eachScore(t, (i, h) => `s${i}_${h} = s${i}_${h} * ${f32(Math.LOG2E / Math.sqrt(K))} - logSumExp${h} * ${f32(Math.LOG2E)};`),
      'if (!whole) {',
      eachScore(t, (i, h) => `s${i}_${h} = select(s${i}_${h}, vec4f(${LOWEST}), vec4u(${row(i)}) > ${columns(t, h)});`),
      '}',
      eachScore(t, (i, h) => `${score(t, i, h)} = exp2(s${i}_${h});`),
      want.dv && tileTimes(t, 'dv', 'dy', 'i0', firstP, wideP, [2, 3], busy),
      scoreGradients && [
        scores(t, 'd', 'v', 'j0', 'dy', 'i0', P, idle),
        line('delta'),
        eachScore(t, (i, h) => `${score(t, i, h)} *= (d${i}_${h} - delta${h}) * ${f32(1 / Math.sqrt(K))};`),
      ],
      want.dk && tileTimes(t, 'dk', 'q', 'i0', firstK, wideK, [2, 3], busy),
      want.dq && tasks === 'heads' && [zeroSums('dq', wideK), 'if (j0 > 0u) {', eachRow((i) => repeat(wideK, (g) => `dq${i}_${g} = dq_at(head, i0 + ${ofFour(i)}, ${firstK} + ${column(t, g)});`)), '}'],
      want.dq && transposedTileTimes(t, 'dq', 'k', 'j0', firstK, wideK),
      want.dq && tasks === 'heads' && put('dq', 'dq', 'i0', ofFour, wideK, firstK),
      tasks !== 'queries' && '}',
      want.dk && put('dk', 'dk', 'j0', row, wideK, firstK),
      want.dv && put('dv', 'dv', 'j0', row, wideP, firstP),
      tasks !== 'keys' && '}',
      want.dq && tasks === 'queries' && put('dq', 'dq', 'i0', ofFour, wideK, firstK),
      '}',
    ),
  });
}
