/**
 * Embedding as WGSL. The gradient sorts the positions by id, those of one id in their own order, so that rows are added in the same order
 * at every run: each part of the positions counts its ids and ranks them, the counts are added up over parts and over ids, and each
 * position then knows its place. An id as frequent as half of all positions would keep one workgroup busy for long: slices of the
 * sorted list that hold a single id are added beforehand, side by side.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

const SIZE = 256;
/** parts of the positions, at most: there are as many counts for each id */
const PARTS = 128;
/** counts of an id that are fetched together */
const BATCH = 8;
/** sorted positions of a slice */
const SLICE = 256;
/** invocations that add rows: for an id of usual frequency, more would have nothing to do */
const ADDING = 128;

const main = (size = SIZE): string => `@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }`;

/** Rows of D floats as they are moved: by fours where that comes out even. */
function rowsOf(D: number): { type: 'f32' | 'vec4<f32>'; columns: number; bind: (operand: Operand) => GpuBinding } {
  const type = D % 4 === 0 ? 'vec4<f32>' : 'f32';
  return { type, columns: type === 'f32' ? D : D / 4, bind: (operand) => ({ operand, as: type }) };
}

/** table [V,D], ids [...] → y [..., D] */
export function embeddingWebgpu({ inputs: [table, ids], outputs: [y], dispatch }: WebgpuLowering): void {
  const [V, D] = table.shape as [number, number];
  const { type, columns, bind } = rowsOf(D);
  const n = sizeOf(ids.shape) * columns;
  dispatch({
    name: 'embedding_forward',
    bindings: { table: bind(table), ids, y: bind(y) },
    tasks: Math.ceil(n / SIZE),
    code: `
${main()}
  let i = task * ${SIZE}u + lane;
  if (i >= ${n}u) { return; }
  let id = u32(ids[i / ${columns}u]);
  y[i] = select(${type}(0), table[min(id, ${V - 1}u) * ${columns}u + i % ${columns}u], id < ${V}u);
}`,
  });
}

/** ids [...], dy [..., D] → gradient [V,D] */
export function embeddingGradientWebgpu({ inputs: [ids, dy], outputs: [gradient], buffer, dispatch }: WebgpuLowering, { vocab: V }: { vocab: number }): void {
  const D = dy.shape.at(-1)!;
  const N = sizeOf(ids.shape);
  const rounds = Math.max(1, Math.ceil(N / SIZE / PARTS));
  const parts = Math.ceil(N / SIZE / rounds);
  const u32 = (operand: Operand): GpuBinding => ({ operand, as: 'u32' });
  const counts = buffer(parts, V);
  const ranks = buffer(N);
  dispatch({
    name: 'embedding_rank',
    bindings: { ids, counts: u32(counts), ranks: u32(ranks) },
    tasks: parts,
    code: `
var<workgroup> keys: array<u32, ${SIZE}>;
${main()}
  for (var v = lane; v < ${V}u; v += ${SIZE}u) { counts[task * ${V}u + v] = 0; }
  for (var round = 0u; round < ${rounds}u; round++) {
    let i = (task * ${rounds}u + round) * ${SIZE}u + lane;
    let id = select(${V}u, u32(ids[min(i, ${N - 1}u)]), i < ${N}u);
    keys[lane] = id;
    workgroupBarrier();
    storageBarrier();
    var before = 0u;
    var all = 0u;
    for (var j = 0u; j < ${SIZE}u; j++) {
      let same = u32(keys[j] == id);
      all += same;
      before += select(0u, same, j < lane);
    }
    let at = task * ${V}u + min(id, ${V - 1}u);
    let earlier = counts[at];
    storageBarrier();
    if (id < ${V}u) {
      ranks[i] = earlier + before;
      if (before + 1u == all) { counts[at] = earlier + all; }
    }
  }
}`,
  });
  // from here on counts say how many of an id are in earlier parts
  const starts = buffer(V + 1);
  dispatch({
    name: 'embedding_parts',
    bindings: { counts: u32(counts), starts: u32(starts) },
    tasks: Math.ceil(V / 64),
    code: `
${main(64)}
  let v = task * 64u + lane;
  if (v >= ${V}u) { return; }
  var sum = 0u;
  for (var part = 0u; part < ${parts}u; part += ${BATCH}u) {
    ${repeat(BATCH, (j) => `let c${j} = select(0u, counts[min(part + ${j}u, ${parts - 1}u) * ${V}u + v], part + ${j}u < ${parts}u);`)}
    ${repeat(BATCH, (j) => `if (part + ${j}u < ${parts}u) { counts[(part + ${j}u) * ${V}u + v] = sum; } sum += c${j};`)}
  }
  starts[v + 1u] = sum;
}`,
  });
  const run = Math.ceil(V / SIZE);
  dispatch({
    name: 'embedding_starts',
    bindings: { starts: u32(starts) },
    tasks: 1,
    code: `
var<workgroup> sums: array<u32, ${SIZE}>;
${main()}
  let first = 1 + lane * ${run}u;
  let last = min(first + ${run}u, ${V + 1}u);
  var sum = 0u;
  for (var v = first; v < last; v++) { sum += starts[v]; }
  sums[lane] = sum;
  for (var step = 1u; step < ${SIZE}u; step *= 2u) {
    workgroupBarrier();
    let lower = select(0u, sums[lane - min(step, lane)], lane >= step);
    workgroupBarrier();
    sums[lane] += lower;
  }
  sum = sums[lane] - sum;
  for (var v = first; v < last; v++) {
    sum += starts[v];
    starts[v] = sum;
  }
  if (lane == 0u) { starts[0] = 0u; }
}`,
  });
  const order = buffer(N);
  dispatch({
    name: 'embedding_order',
    bindings: { ids, counts: u32(counts), ranks: u32(ranks), starts: u32(starts), order: u32(order) },
    tasks: Math.ceil(N / SIZE),
    code: `
${main()}
  let i = task * ${SIZE}u + lane;
  if (i >= ${N}u) { return; }
  let id = u32(ids[i]);
  if (id < ${V}u) { order[starts[id] + counts[i / ${rounds * SIZE}u * ${V}u + id] + ranks[i]] = i; }
}`,
  });

  const { type, columns, bind } = rowsOf(D);
  // invocations side by side in a row, the others in further rows
  let width = 1;
  while (width < Math.min(columns, ADDING)) width *= 2;
  const together = ADDING / width;
  const columnBlocks = Math.ceil(columns / width);
  const slices = Math.floor(N / SLICE);
  const add = lines(
    `var<workgroup> sums: array<${type}, ${ADDING}>;`,
    `fn add_rows(first: u32, last: u32, own: u32, column: u32) -> ${type} {`,
    `  var sum = ${type}(0);`,
    `  for (var i = first + own; i < last; i += ${together}u) { sum += dy[order[i] * ${columns}u + column]; }`,
    `  return sum;`,
    `}`,
    `fn total(lane: u32, x: ${type}) -> ${type} {`,
    `  sums[lane] = x;`,
    `  for (var half = ${Math.floor(together / 2)}u; half > 0u; half /= 2u) {`,
    `    workgroupBarrier();`,
    `    if (lane < half * ${width}u) { sums[lane] += sums[lane + half * ${width}u]; }`,
    `  }`,
    `  return sums[lane];`,
    `}`,
  );
  const place = `
  let own = lane / ${width}u;
  let column = task % ${columnBlocks}u * ${width}u + lane % ${width}u;
  let inside = min(column, ${columns - 1}u);`;
  const shares = slices > 0 ? buffer(slices, D) : undefined;
  if (shares !== undefined) {
    dispatch({
      name: 'embedding_slices',
      bindings: { ids, dy: bind(dy), starts: u32(starts), order: u32(order), shares: bind(shares) },
      tasks: slices * columnBlocks,
      code: `
var<workgroup> whole: bool;
${add}
${main(ADDING)}
  ${place}
  let first = task / ${columnBlocks}u * ${SLICE}u;
  if (lane == 0u) { whole = first + ${SLICE}u <= starts[${V}] && ids[order[first]] == ids[order[first + ${SLICE - 1}u]]; }
  if (!workgroupUniformLoad(&whole)) { return; }
  let sum = total(lane, add_rows(first, first + ${SLICE}u, own, inside));
  if (own == 0u && column < ${columns}u) { shares[task / ${columnBlocks}u * ${columns}u + column] = sum; }
}`,
    });
  }
  dispatch({
    name: 'embedding_gradient',
    bindings: { dy: bind(dy), starts: u32(starts), order: u32(order), gradient: bind(gradient), ...(shares === undefined ? {} : { shares: bind(shares) }) },
    tasks: V * columnBlocks,
    code: `
${add}
${main(ADDING)}
  ${place}
  let v = task / ${columnBlocks}u;
  let first = starts[v];
  let last = starts[v + 1u];
  ${shares === undefined
    ? 'let sum = add_rows(first, last, own, inside);'
    : `// the slices that hold nothing but this id, and what is before and after them
  let from_slice = (first + ${SLICE - 1}u) / ${SLICE}u;
  let to_slice = max(from_slice, last / ${SLICE}u);
  var sum = add_rows(first, min(last, from_slice * ${SLICE}u), own, inside);
  for (var s = from_slice + own; s < to_slice; s += ${together}u) { sum += shares[s * ${columns}u + inside]; }
  sum += add_rows(max(first, to_slice * ${SLICE}u), last, own, inside);`}
  let row = total(lane, sum);
  if (own == 0u && column < ${columns}u) { gradient[v * ${columns}u + column] = row; }
}`,
  });
}
