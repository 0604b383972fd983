/**
 * Causal softmax attention as WGSL (FlashAttention-2, Dao 2023). Forward: a workgroup for every 64 queries goes through the tiles of keys up to
 * the diagonal with an online softmax. Backward: scores are made anew from logSumExp, tile by tile, once for all three gradients; L×L is never held.
 * Channels beyond what an invocation can sum in registers are dealt to further workgroups ("slabs"), which make the scores again.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import {
  ACROSS, BLOCK, declarations, DOWN, eachQuad, eachSum, elements, firstHalf, lineReader, multiply, PITCH, products, productsReach, quad, quads, reader, row, score, secondHalf, side, SIZE, slices, strided, tileTimes,
  transposedTileTimes, writer, zeroSums, type Diagonal, type Product, type Side,
} from './webgpu-tiles.ts';

/** workgroups that keep a GPU busy with gradients */
const MANY = 512;
/** bytes that shares of dq may have */
const SHARES = 2 ** 30;
/** vec4s of channels that a workgroup sums for each row: what fits in registers */
const SLAB = 16;
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

/** vec4s of C channels that a workgroup sums, and the slabs that they make. */
const slabOf = (C: number): number => Math.min(SLAB, quads(C));
const slabsOf = (C: number): number => Math.ceil(quads(C) / SLAB);
/** How many vec4s of a row are asked for. */
const reachOf = (C: number, slabs: number): number => Math.max(productsReach(C), slabs * SLAB);

/** The columns of an invocation's quad. */
const four = (q: string): string => `(4u * ${q} + vec4u(0, 1, 2, 3))`;

/** The beginning of a kernel: its invocations' places, and of its task the slab (fastest), the block and the head; `head` is the row of the head's first token. */
const opening = (slabs: number, blocks: number, { L, H }: Pick<Sizes, 'L' | 'H'>): string => `
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
  let across = lane % ${ACROSS}u;
  let down = lane / ${ACROSS}u;
  let slab = task % ${slabs}u * ${SLAB}u;
  let block = task / ${slabs}u % ${blocks}u;
  let index = task / ${slabs * blocks}u;
  let head = index / ${H}u * ${L * H}u + index % ${H}u;`;

/** q, k, v → y, logSumExp. */
export function attentionWebgpu(lowering: WebgpuLowering): void {
  const sizes = sizesOf(lowering);
  const { B, L, H, K, P } = sizes;
  const [q, k, v] = lowering.inputs;
  const [y, logSumExp] = lowering.outputs;
  // scores are kept as q·k: e to the power of the true score is 2^(c·q·k)
  const c = f32(Math.LOG2E / Math.sqrt(K));
  const slabs = y.used ? slabsOf(P) : 1;
  const blocks = Math.ceil(L / BLOCK);
  // tiles are of keys by queries, and outputs of queries by channels: an invocation has the same queries in both
  const [keys, queries, outputs] = [side('down', BLOCK / 4), side('across', BLOCK / 4), side('down', slabOf(P))];
  const scores = (j0: string) => products('s', keys, queries, { name: 'k', first: j0 }, { name: 'q', first: 'i0' }, K, { busy: () => `down < ${DOWN / 2}u`, wanted: (_, j) => j > 0 });
  const weighted = transposedTileTimes('y', queries, outputs, { name: 'v', first: 'j0' }, 'slab', { busy: firstHalf, wanted: (r) => r >= 4 });
  const next = `if (whole) {\n${scores(`(j0 + ${BLOCK}u)`).fetch('0u')}\n}`;
  /** combines an invocation's scores of a quad of queries */
  const ofKeys = (j: number, combine: (a: string, b: string) => string) => [0, 1, 2, 3].map((r) => `s${r}_${j}`).reduce(combine);
  /** combines a statistic of queries over the invocations that have them, in the same order everywhere; needs the tile until the next barrier */
  const combined = (name: string, combine: (a: string, b: string) => string) => lines(
    eachQuad(queries, (j) => `tile[down * ${PITCH}u + ${quad(queries, j)}] = ${name}${j};`),
    'workgroupBarrier();',
    eachQuad(queries, (j) => lines(
      `${name}${j} = tile[${quad(queries, j)}];`,
      repeat(DOWN - 1, (d) => `${name}${j} = ${combine(`${name}${j}`, `tile[${PITCH * (d + 1)}u + ${quad(queries, j)}]`)};`),
    )),
  );
  const max = (a: string, b: string) => `max(${a}, ${b})`;
  const add = (a: string, b: string) => `${a} + ${b}`;

  lowering.dispatch({
    name: 'causal_attention_forward',
    bindings: present<GpuBinding>({ q: channels(q, K), k: channels(k, K), v: y.used && channels(v, P), result: y.used && channels(y, P), logSumExp: logSumExp.used && channels(logSumExp, L) }),
    tasks: B * H * blocks * slabs,
    code: lines(
      declarations,
      reader('q', L, H, K, productsReach(K)),
      reader('k', L, H, K, productsReach(K)),
      y.used && [reader('v', L, H, P, reachOf(P, slabs)), writer('result', L, H, P)],
      logSumExp.used && writer('logSumExp', 1, 1, L),
      opening(slabs, blocks, sizes),
      // the longest first
      `let i0 = ${BLOCK}u * (${blocks - 1}u - block);`,
      eachQuad(queries, (j) => `var most${j} = vec4f(${LOWEST}); var total${j} = vec4f();`),
      y.used && zeroSums('y', queries, outputs),
      slices([scores('0u'), weighted]),
      scores('0u').fetch('0u'),
      `for (var j0 = 0u; j0 <= i0; j0 += ${BLOCK}u) {`,
      'let whole = j0 < i0;',
      zeroSums('s', keys, queries),
      multiply(scores('j0'), y.used ? weighted.fetch('0u') : next),
      'if (!whole) {',
      eachSum(keys, queries, (r, j) => `s${r}_${j} = select(s${r}_${j}, vec4f(${LOWEST}), vec4u(${row(keys, r)}) > ${four(quad(queries, j))});`),
      '}',
      eachQuad(queries, (j) => `var high${j} = max(most${j}, ${ofKeys(j, max)});`),
      combined('high', max),
      eachQuad(queries, (j) => `let kept${j} = exp2((most${j} - high${j}) * ${c}); most${j} = high${j};`),
      eachSum(keys, queries, (r, j) => `s${r}_${j} = exp2((s${r}_${j} - high${j}) * ${c});`),
      eachQuad(queries, (j) => `total${j} = total${j} * kept${j} + ${ofKeys(j, add)};`),
      y.used && [
        'workgroupBarrier();',
        eachSum(keys, queries, (r, j) => `${score(keys, r, queries, j)} = s${r}_${j};`),
        eachSum(queries, outputs, (r, g) => `y${r}_${g} *= kept${r >> 2}[${r & 3}];`),
        multiply(weighted, next),
      ],
      '}',
      'workgroupBarrier();',
      combined('total', add),
      y.used && eachSum(queries, outputs, (r, g) => `result_put(head, i0 + ${row(queries, r)}, slab + ${quad(outputs, g)}, y${r}_${g} / total${r >> 2}[${r & 3}]);`),
      logSumExp.used && [
        'if (down == 0u && slab == 0u) {',
        eachQuad(queries, (j) => `logSumExp_put(index, 0u, i0 / 4u + ${quad(queries, j)}, most${j} * ${f32(1 / Math.sqrt(K))} + log(total${j}));`),
        '}',
      ],
      '}',
    ),
  });
}

/** Queries from a token to before another, both of whole blocks. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** q, k, v, y, logSumExp, dy → dq, dk, dv; other bytes for shares of dq and another number of busy workgroups are for tests. */
export function attentionGradientWebgpu(lowering: WebgpuLowering, _attrs: unknown, { room = SHARES, busy = MANY } = {}): void {
  const { B, L, H, K } = sizesOf(lowering);
  const [, , , y, , dy] = lowering.inputs;
  const [dq, dk] = lowering.outputs;
  const delta = dq.used || dk.used ? lowering.buffer(B * H, L) : undefined;
  if (delta !== undefined) deltas(lowering, y, dy, delta);
  const blocks = Math.ceil(L / BLOCK);
  const all = { from: 0, to: blocks * BLOCK };
  // with few heads several workgroups share one, and each needs a dq of its own
  const shares = dq.used ? Math.max(1, Math.min(blocks, Math.ceil(busy / (B * H)))) : blocks;
  if (!dq.used || shares === 1) return gradient(lowering, shares, delta, dq, all);
  // where there is no room for that, range after range of queries
  const rows = BLOCK * Math.max(1, Math.min(blocks, Math.floor(room / (4 * shares * B * H * K * BLOCK))));
  const dqs = lowering.buffer(shares, B, Math.min(rows, L), H, K);
  for (let from = 0; from < L; from += rows) {
    const range = { from, to: Math.min(from + rows, all.to) };
    gradient(lowering, shares, delta, dqs, range);
    sumShares(lowering, shares, dqs, range);
  }
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
 * Gradients from tiles of queries by keys. A task is a share of a head: of every `shares` blocks of keys one, in turn from either end, so that all have about as much to do.
 * It sums dk and dv of a block of keys over those queries of the range that are not before it, on top of what earlier ranges gave; its share of dq grows in memory,
 * block of keys after block of keys. dq begins at the range.
 */
function gradient(lowering: WebgpuLowering, shares: number, delta: Operand | undefined, dq: Operand, { from, to }: Range): void {
  const sizes = sizesOf(lowering);
  const { B, L, H, K, P } = sizes;
  const [q, k, v, , logSumExp, dy] = lowering.inputs;
  const [, dk, dv] = lowering.outputs;
  const want = { dq: dq.used, dk: dk.used, dv: dv.used };
  const scoreGradients = want.dq || want.dk;
  const slabs = Math.max(scoreGradients ? slabsOf(K) : 1, want.dv ? slabsOf(P) : 1);
  const rows = dq.used ? dq.shape.at(-3)! : L;
  const scale = 1 / Math.sqrt(K);
  // tiles are of queries by keys; of the sums of dk and dv an invocation has other keys
  const [queries, keys, keyRows] = [side('down', BLOCK / 4), side('across', BLOCK / 4), side('down', BLOCK / 4)];
  const [ofK, ofP] = [K, P].map((C) => side('across', slabOf(C)));
  const [lateQueries, earlyKeys]: Diagonal[] = [{ busy: () => `down >= ${DOWN / 2}u`, wanted: (_, j) => j === 0 }, { busy: (at) => `${secondHalf(at)} || down < ${DOWN / 2}u`, wanted: () => false }];
  const scores = (i0: string) => products('s', queries, keys, { name: 'q', first: i0 }, { name: 'k', first: 'j0' }, K, lateQueries);
  const ofValues = products('d', queries, keys, { name: 'dy', first: 'i0' }, { name: 'v', first: 'j0' }, P, lateQueries);
  const forValues = transposedTileTimes('dv', keyRows, ofP, { name: 'dy', first: 'i0' }, 'slab', earlyKeys);
  const forKeys = transposedTileTimes('dk', keyRows, ofK, { name: 'q', first: 'i0' }, 'slab', earlyKeys);
  const forQueries = tileTimes('dq', queries, ofK, { name: 'k', first: 'j0' }, 'slab', { busy: firstHalf, wanted: (r) => r >= 2 });
  const wanted = [want.dv && forValues, scoreGradients && ofValues, want.dk && forKeys, want.dq && forQueries].filter((x) => x !== false);
  /** a product of those, then the first slice of the next one */
  const multiplied = (product: Product) => {
    const following = wanted[wanted.indexOf(product) + 1]?.fetch('0u') ?? `if (i0 + ${BLOCK}u < ${to}u) {\n${scores(`(i0 + ${BLOCK}u)`).fetch('0u')}\n}`;
    return multiply(product, following);
  };
  const put = (name: string, head: string, first: string, rowOf: (r: number) => string, rows: Side, columns: Side) =>
    eachSum(rows, columns, (r, j) => `${name}_put(${head}, ${first} + ${rowOf(r)}, slab + ${quad(columns, j)}, ${name}${r}_${j});`);

  /** what earlier ranges gave to a block of keys */
  const got = (name: string, columns: Side) => eachSum(keyRows, columns, (r, j) => `${name}${r}_${j} = ${name}_at(head, j0 + ${row(keyRows, r)}, slab + ${quad(columns, j)});`);

  lowering.dispatch({
    name: 'causal_attention_gradient',
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
    tasks: B * H * shares * slabs,
    code: lines(
      declarations,
      reader('q', L, H, K, reachOf(K, slabs)),
      reader('k', L, H, K, reachOf(K, slabs)),
      reader('dy', L, H, P, reachOf(P, slabs)),
      lineReader('logSumExp', L),
      scoreGradients && [reader('v', L, H, P, productsReach(P)), lineReader('delta', L)],
      want.dq && [reader('dq', rows, H, K, reachOf(K, slabs)), writer('dq', rows, H, K)],
      want.dk && lines(from > 0 && reader('dk', L, H, K, reachOf(K, slabs)), writer('dk', L, H, K)),
      want.dv && lines(from > 0 && reader('dv', L, H, P, reachOf(P, slabs)), writer('dv', L, H, P)),
      opening(slabs, shares, sizes),
      want.dq && `let share = index / ${H}u * ${rows * H}u + index % ${H}u + block * ${B * rows * H}u;`,
      slices([scores('0u'), ...wanted]),
      `for (var turn = 0u; turn < ${Math.ceil(to / BLOCK / shares)}u; turn++) {`,
      `let j0 = ${BLOCK}u * (turn * ${shares}u + select(block, ${shares - 1}u - block, turn % 2u == 1u));`,
      `if (j0 >= ${to}u) { break; }`,
      `let first = max(j0, ${from}u);`,
      want.dk && zeroSums('dk', keyRows, ofK),
      want.dv && zeroSums('dv', keyRows, ofP),
      from > 0 && lines(`if (j0 < ${from}u) {`, want.dk && got('dk', ofK), want.dv && got('dv', ofP), '}'),
      scores('first').fetch('0u'),
      `for (var i0 = first; i0 < ${to}u; i0 += ${BLOCK}u) {`,
      'let whole = j0 < i0;',
      zeroSums('s', queries, keys),
      multiply(scores('i0'), wanted[0].fetch('0u')),
      eachQuad(queries, (i) => `let line${i} = i0 / 4u + ${quad(queries, i)}; let sums${i} = logSumExp_quad(index, line${i}) * ${f32(Math.LOG2E)};`),
      eachSum(queries, keys, (r, j) => `s${r}_${j} = s${r}_${j} * ${f32(Math.LOG2E * scale)} - sums${r >> 2}[${r & 3}];`),
      'if (!whole) {',
      eachSum(queries, keys, (r, j) => `s${r}_${j} = select(s${r}_${j}, vec4f(${LOWEST}), ${four(quad(keys, j))} > vec4u(${row(queries, r)}));`),
      '}',
      eachSum(queries, keys, (r, j) => `${score(queries, r, keys, j)} = exp2(s${r}_${j});`),
      want.dv && multiplied(forValues),
      scoreGradients && [
        zeroSums('d', queries, keys),
        multiplied(ofValues),
        eachQuad(queries, (i) => `let delta${i} = delta_quad(index, line${i});`),
        eachSum(queries, keys, (r, j) => `${score(queries, r, keys, j)} *= (d${r}_${j} - delta${r >> 2}[${r & 3}]) * ${f32(scale)};`),
      ],
      want.dk && multiplied(forKeys),
      want.dq && [
        zeroSums('dq', queries, ofK),
        'if (turn > 0u) {',
        eachSum(queries, ofK, (r, j) => `dq${r}_${j} = dq_at(share, i0 - ${from}u + ${strided(queries, r)}, slab + ${quad(ofK, j)});`),
        '}',
        multiplied(forQueries),
        put('dq', 'share', `i0 - ${from}u`, (r) => strided(queries, r), queries, ofK),
      ],
      '}',
      want.dk && put('dk', 'head', 'j0', (r) => row(keyRows, r), keyRows, ofK),
      want.dv && put('dv', 'head', 'j0', (r) => row(keyRows, r), keyRows, ofP),
      '}',
      '}',
    ),
  });
}

/** dq = Σ of those shares that have a block of queries: share s begins at block s. */
function sumShares(lowering: WebgpuLowering, shares: number, dqs: Operand, { from, to }: Range): void {
  const { B, L, H, K } = sizesOf(lowering);
  const [dq] = lowering.outputs;
  const size = 256;
  const width = K % 4 === 0 ? K / 4 : K;
  /** elements of a sequence: all of dq, a share, and what of it there is in this range */
  const [whole, share, here] = [L, dqs.shape[2], Math.min(to, L) - from].map((n) => n * H * width) as [number, number, number];
  lowering.dispatch({
    name: 'causal_attention_sum_shares',
    bindings: { dqs: channels(dqs, K), dq: channels(dq, K) },
    tasks: Math.ceil((B * here) / size),
    code: `
@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group) * ${size}u + lane;
  if (task >= ${B * here}u) { return; }
  let sequence = task / ${here}u;
  let e = task % ${here}u;
  let block = ${from / BLOCK}u + e / ${H * width * BLOCK}u;
  let first = sequence * ${share}u + e;
  var sum = dqs[first];
  for (var s = 1u; s <= min(${shares - 1}u, block); s++) { sum += dqs[s * ${B * share}u + first]; }
  dq[sequence * ${whole}u + ${from * H * width}u + e] = sum;
}`,
  });
}
