/**
 * Labelled cross-entropy as WGSL. A block of rows has its logits in memory at a time: a matrix product makes them, one kernel finds each row's largest
 * and the sum of its exponentials, and two more products, which turn logits into slopes as they read them, make the gradients.
 */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import { lowerMatMul, type FactorMap } from '#engine/webgpu/matmul.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** logits in memory at once, at most (512 MiB) */
const MOST = 2 ** 27;
const SIZE = 256;
/** loads of an invocation that are under way together */
const TOGETHER = 8;

const main = `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }`;

/** `most` bounds the logits that are in memory at once. */
export function labelledCrossEntropyWebgpu(lowering: WebgpuLowering, _attrs: unknown, most = MOST): void {
  const { inputs, outputs, buffer, dispatch } = lowering;
  const [hidden, table, rows, targets] = inputs;
  const [loss, losses, predictions, dHidden, dTable] = outputs;
  const [T, D] = hidden.shape as [number, number];
  const V = table.shape[0];
  const R = rows.shape[0];
  const blocks = Math.ceil(R / Math.max(1, Math.floor(most / V)));
  // parts of buffers begin at multiples of 64 elements
  const rowBlock = Math.ceil(R / blocks / 64) * 64;
  const differentiated = dHidden.used || dTable.used;

  /** Row r exists, its position is in hidden and its target in the table: asked all at once, as each answer takes a while to arrive. */
  const counted = `fn counted(r: u32) -> bool { let at = min(r, ${R - 1}u); return (r < ${R}u) & (u32(rows[at]) < ${T}u) & (u32(targets[at]) < ${V}u); }`;
  /** Sums of whole numbers and of losses over the workgroup, for its first invocation. */
  const total = (name: string, type: 'u32' | 'f32') => `
var<workgroup> ${name}_sums: array<${type}, ${SIZE}>;
fn ${name}_total(lane: u32, x: ${type}) -> ${type} {
  ${name}_sums[lane] = x;
  for (var half = ${SIZE / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { ${name}_sums[lane] += ${name}_sums[lane + half]; }
  }
  return ${name}_sums[0];
}`;

  /** The invocation's share of a sum over all rows: `term` of row r, 0 where there is none. */
  const ownShare = (term: (r: string) => string) => lines(
    `  for (var r = lane; r < ${R}u; r += ${TOGETHER * SIZE}u) {`,
    `    own += ${Array.from({ length: TOGETHER }, (_, k) => term(`(r + ${k * SIZE}u)`)).join(' + ')};`,
    `  }`,
  );

  // how many rows count; meanwhile the gradient of the rows that nobody labels is cleared
  const count = buffer(1);
  const share = 4096;
  dispatch({
    name: 'labelled_cross_entropy_count',
    bindings: { rows, targets, count, ...(dHidden.used ? { dHidden } : {}) },
    tasks: dHidden.used ? Math.ceil((T * D) / share) : 1,
    code: `${counted}${total('count', 'u32')}
${main}
  if (task == 0u) {
    var own = 0u;
${ownShare((r) => `u32(counted(${r}))`)}
    let all = count_total(lane, own);
    if (lane == 0u) { count[0] = f32(max(all, 1u)); }
  }
  ${dHidden.used ? `for (var i = task * ${share}u + lane; i < min((task + 1u) * ${share}u, ${T * D}u); i += ${SIZE}u) { dHidden[i] = 0; }` : ''}
}`,
  });

  const rowsInBlocks = blocks * rowBlock;
  const packed = buffer(rowsInBlocks, D);
  dispatch({
    name: 'labelled_cross_entropy_gather',
    bindings: { hidden, rows, packed },
    tasks: Math.ceil((rowsInBlocks * D) / SIZE),
    code: `${main}
  let i = task * ${SIZE}u + lane;
  if (i >= ${rowsInBlocks * D}u) { return; }
  let r = i / ${D}u;
  let position = u32(rows[min(r, ${R - 1}u)]);
  packed[i] = select(0f, hidden[min(position, ${T - 1}u) * ${D}u + i % ${D}u], r < ${R}u && position < ${T}u);
}`,
  });
  const logits = buffer(rowBlock, V);
  const rowLosses = losses.used || !loss.used ? losses : buffer(R);
  const slopes = dHidden.used ? buffer(rowsInBlocks, D) : undefined;
  /** of each row: its largest logit, 1 / Σ e^(logit − largest), its target, 1; the second and the last are 0 where the row does not count */
  const statistics = differentiated ? buffer(rowBlock, 4) : undefined;
  // softmax − [word = target]; divided by the count only at the end, since float16 factors have no room for such small numbers
  const map: FactorMap | undefined = statistics && {
    bindings: { statistics: { operand: statistics, as: 'vec4<f32>' } },
    functions: `fn slope(x: vec4f, s: vec4f, column: u32) -> vec4f {
  return exp(min(x - s.x, vec4f(0))) * s.y - select(vec4f(0), vec4f(s.w), vec4f(s.z - f32(column)) == vec4f(0, 1, 2, 3));
}`,
    ofRow: (row) => `statistics[${row}]`,
    four: (value, ofRow, column) => `slope(${value}, ${ofRow}, ${column})`,
  };
  const sizes = { batch: 1, strideA: 0, strideB: 0 };
  for (let block = 0; block < blocks; block++) {
    const first = block * rowBlock;
    const own = packed.at(first * D);
    lowerMatMul(lowering, own, table, logits, { ...sizes, m: rowBlock, n: V, k: D, transposeA: false, transposeB: true });
    rowStatistics(first);
    if (dTable.used) lowerMatMul(lowering, logits, own, dTable, { ...sizes, m: V, n: D, k: rowBlock, transposeA: true, transposeB: false }, block === 0 ? {} : { addend: dTable }, { map: map! });
    if (slopes !== undefined) lowerMatMul(lowering, logits, table, slopes.at(first * D), { ...sizes, m: rowBlock, n: D, k: V, transposeA: false, transposeB: false }, {}, { map: map! });
  }
  if (slopes !== undefined) {
    dispatch({
      name: 'labelled_cross_entropy_scatter',
      bindings: { rows, targets, count, slopes, dHidden },
      tasks: Math.ceil((R * D) / SIZE),
      code: `${counted}
${main}
  let i = task * ${SIZE}u + lane;
  let r = i / ${D}u;
  if (i < ${R * D}u && counted(r)) { dHidden[u32(rows[r]) * ${D}u + i % ${D}u] = slopes[i] / count[0]; }
}`,
    });
  }
  if (loss.used || dTable.used) {
    const size = dTable.used ? V * D : 0;
    dispatch({
      name: 'labelled_cross_entropy_mean',
      bindings: { count, ...(loss.used ? { rowLosses, loss } : {}), ...(dTable.used ? { dTable } : {}) },
      tasks: Math.max(1, Math.ceil(size / share)),
      code: lines(
        loss.used && total('loss', 'f32'),
        main,
        dTable.used && `  for (var i = task * ${share}u + lane; i < min((task + 1u) * ${share}u, ${size}u); i += ${SIZE}u) { dTable[i] /= count[0]; }`,
        loss.used && `  if (task == 0u) {
    var own = 0f;
${ownShare((r) => `select(0f, rowLosses[min(${r}, ${R - 1}u)], ${r} < ${R}u)`)}
    let all = loss_total(lane, own);
    if (lane == 0u) { loss[0] = all / count[0]; }
  }`,
        '}',
      ),
    });
  }

  /** A workgroup for each row: its loss and prediction, and its statistics. */
  function rowStatistics(first: number): void {
    const wide = V % 4 === 0;
    const step = wide ? 4 : 1;
    const words = V / step;
    const [T4, top4, sum4] = wide ? ['vec4f', (x: string) => `max(max(${x}.x, ${x}.y), max(${x}.z, ${x}.w))`, (e: string) => `dot(${e}, vec4f(1))`] : ['f32', (x: string) => x, (e: string) => e];
    const index = (x: string) => (wide ? `select(select(select(3u, 2u, ${x}.z == top), 1u, ${x}.y == top), 0u, ${x}.x == top)` : '0u');
    // no further than a row has words
    const together = Math.min(TOGETHER, Math.ceil(words / SIZE));
    const each = Array.from({ length: together }, (_, k) => k);
    dispatch({
      name: 'labelled_cross_entropy_rows',
      bindings: {
        rows, targets, logits: { operand: logits, as: wide ? 'vec4<f32>' : 'f32' },
        ...(statistics && { statistics: { operand: statistics, as: 'vec4<f32>' } }), ...(rowLosses.used ? { rowLosses } : {}), ...(predictions.used ? { predictions } : {}),
      },
      tasks: rowBlock,
      code: `${counted}
// ln x, x ≥ 1; near 1, where log() has few digits, as 2 artanh((x − 1) / (x + 1))
fn log_of(x: f32) -> f32 {
  let z = (x - 1) / (x + 1);
  let zz = z * z;
  return select(log(x), 2 * z * (1 + zz * (${Math.fround(1 / 3)}f + zz * (0.2f + zz * ${Math.fround(1 / 7)}f))), x < 1.25f);
}
// of what each invocation saw: the largest logit, the sum of e^(logit − largest), and where the largest is first
var<workgroup> largest: array<f32, ${SIZE}>;
var<workgroup> sums: array<f32, ${SIZE}>;
${predictions.used ? `var<workgroup> places: array<u32, ${SIZE}>;` : ''}
${main}
  let r = ${first}u + task;
  let row = task * ${words}u;
  var most = -3.4e38f;
  var sum = 0f;
  var place = 0u;
  for (var v = lane; v < ${words}u; v += ${together * SIZE}u) {
${repeat(together, (k) => `    let x${k} = select(${T4}(-3.4e38f), logits[row + min(v + ${k * SIZE}u, ${words - 1}u)], v + ${k * SIZE}u < ${words}u);`)}
${repeat(together, (k) => `    let top${k} = ${top4(`x${k}`)};`)}
    let top = ${each.map((k) => `top${k}`).reduce((a, b) => `max(${a}, ${b})`)};
    if (top > most) {
${predictions.used ? each.toReversed().map((k) => `      place = select(place, (v + ${k * SIZE}u) * ${step}u + ${index(`x${k}`)}, top${k} == top);`).join('\n') : ''}
      sum *= exp(most - top);
      most = top;
    }
    sum += ${each.map((k) => sum4(`exp(x${k} - ${T4}(most))`)).join(' + ')};
  }
  largest[lane] = most;
  sums[lane] = sum;
  ${predictions.used ? 'places[lane] = place;' : ''}
  for (var half = ${SIZE / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = largest[lane + half];
      let here = largest[lane];
      let top = max(other, here);
      sums[lane] = sums[lane] * exp(here - top) + sums[lane + half] * exp(other - top);
      ${predictions.used ? 'if (other > here || (other == here && places[lane + half] < places[lane])) { places[lane] = places[lane + half]; }' : ''}
      largest[lane] = top;
    }
  }
  if (lane > 0u || r >= ${R}u) {
    ${statistics ? 'if (lane == 0u) { statistics[task] = vec4f(0); }' : ''}
    return;
  }
  most = largest[0];
  sum = sums[0];
  let counts = counted(r);
  let word = select(0u, u32(targets[r]), counts);
  ${statistics ? 'statistics[task] = vec4f(most, select(0f, 1 / sum, counts), f32(word), f32(counts));' : ''}
  ${rowLosses.used ? `// first the difference of the two logits: it is exactly 0 where the target leads, and then the loss has all its digits
  rowLosses[r] = select(0f, most - logits[row + word / ${step}u]${wide ? '[word % 4u]' : ''} + log_of(sum), counts);` : ''}
  ${predictions.used ? 'predictions[r] = i32(places[0]);' : ''}
}`,
    });
  }
}
