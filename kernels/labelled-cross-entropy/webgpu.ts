/**
 * Labelled cross-entropy as WGSL. A block of rows has its logits in memory at a time: a matrix product makes them, one kernel turns each
 * row into its loss and, in place, into the slopes of the mean, and two more products make the gradients of them.
 */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import { lowerMatMul } from '#engine/webgpu/matmul.ts';

/** logits in memory at once, at most (256 MiB) */
const MOST = 2 ** 26;
const SIZE = 256;

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
  const rowBlock = Math.ceil(R / blocks);
  const differentiated = dHidden.used || dTable.used;

  /** Row r exists, its position is in hidden and its target in the table. */
  const counted = `fn counted(r: u32) -> bool { let at = min(r, ${R - 1}u); return r < ${R}u && u32(rows[at]) < ${T}u && u32(targets[at]) < ${V}u; }`;
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
    for (var r = lane; r < ${R}u; r += ${SIZE}u) { own += u32(counted(r)); }
    let all = count_total(lane, own);
    if (lane == 0u) { count[0] = f32(max(all, 1u)); }
  }
  ${dHidden.used ? `for (var i = task * ${share}u + lane; i < min((task + 1u) * ${share}u, ${T * D}u); i += ${SIZE}u) { dHidden[i] = 0; }` : ''}
}`,
  });

  const packed = buffer(rowBlock, D);
  const logits = buffer(rowBlock, V);
  const rowLosses = losses.used || !loss.used ? losses : buffer(R);
  const slopes = dHidden.used ? buffer(rowBlock, D) : undefined;
  const sizes = { batch: 1, strideA: 0, strideB: 0 };
  for (let block = 0; block < blocks; block++) {
    const first = block * rowBlock;
    dispatch({
      name: 'labelled_cross_entropy_gather',
      bindings: { hidden, rows, packed },
      tasks: Math.ceil((rowBlock * D) / SIZE),
      code: `${main}
  let i = task * ${SIZE}u + lane;
  if (i >= ${rowBlock * D}u) { return; }
  let r = ${first}u + i / ${D}u;
  let position = u32(rows[min(r, ${R - 1}u)]);
  packed[i] = select(0f, hidden[min(position, ${T - 1}u) * ${D}u + i % ${D}u], r < ${R}u && position < ${T}u);
}`,
    });
    lowerMatMul(lowering, packed, table, logits, { ...sizes, m: rowBlock, n: V, k: D, transposeA: false, transposeB: true });
    softmax(first);
    if (dTable.used) lowerMatMul(lowering, logits, packed, dTable, { ...sizes, m: V, n: D, k: rowBlock, transposeA: true, transposeB: false }, block === 0 ? {} : { addend: dTable });
    if (slopes === undefined) continue;
    lowerMatMul(lowering, logits, table, slopes, { ...sizes, m: rowBlock, n: D, k: V, transposeA: false, transposeB: false });
    dispatch({
      name: 'labelled_cross_entropy_scatter',
      bindings: { rows, targets, slopes, dHidden },
      tasks: Math.ceil((rowBlock * D) / SIZE),
      code: `${counted}
${main}
  let i = task * ${SIZE}u + lane;
  let r = ${first}u + i / ${D}u;
  if (i < ${rowBlock * D}u && counted(r)) { dHidden[u32(rows[r]) * ${D}u + i % ${D}u] = slopes[i]; }
}`,
    });
  }
  if (loss.used) {
    dispatch({
      name: 'labelled_cross_entropy_mean',
      bindings: { rowLosses, count, loss },
      tasks: 1,
      code: `${total('loss', 'f32')}
${main}
  var own = 0f;
  for (var r = lane; r < ${R}u; r += ${SIZE}u) { own += rowLosses[r]; }
  let all = loss_total(lane, own);
  if (lane == 0u) { loss[0] = all / count[0]; }
}`,
    });
  }

  /** A workgroup for each row: its loss and prediction, and over its logits ∂mean/∂logit = (softmax − [word = target]) / count. */
  function softmax(first: number): void {
    const wide = V % 4 === 0;
    const step = wide ? 4 : 1;
    const words = V / step;
    const [T4, first4, last4] = wide ? ['vec4f', 'max(max(x.x, x.y), max(x.z, x.w))', 'dot(e, vec4f(1))'] : ['f32', 'x', 'e'];
    const index = wide ? 'select(select(select(3u, 2u, x.z == top), 1u, x.y == top), 0u, x.x == top)' : '0u';
    dispatch({
      name: 'labelled_cross_entropy_rows',
      bindings: {
        rows, targets, count, logits: { operand: logits, as: wide ? 'vec4<f32>' : 'f32' },
        ...(rowLosses.used ? { rowLosses } : {}), ...(predictions.used ? { predictions } : {}),
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
var<workgroup> places: array<u32, ${SIZE}>;
${main}
  let r = ${first}u + task;
  let row = task * ${words}u;
  var most = -3.4e38f;
  var sum = 0f;
  var place = 0u;
  for (var v = lane; v < ${words}u; v += ${SIZE}u) {
    let x = logits[row + v];
    let top = ${first4};
    if (top > most) {
      place = v * ${step}u + ${index};
      sum *= exp(most - top);
      most = top;
    }
    let e = exp(x - ${T4}(most));
    sum += ${last4};
  }
  largest[lane] = most;
  sums[lane] = sum;
  places[lane] = place;
  for (var half = ${SIZE / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = largest[lane + half];
      let here = largest[lane];
      let top = max(other, here);
      sums[lane] = sums[lane] * exp(here - top) + sums[lane + half] * exp(other - top);
      if (other > here || (other == here && places[lane + half] < places[lane])) { places[lane] = places[lane + half]; }
      largest[lane] = top;
    }
  }
  workgroupBarrier();
  most = largest[0];
  sum = sums[0];
  let counts = counted(r);
  let word = select(0u, u32(targets[min(r, ${R - 1}u)]), counts);
  if (lane == 0u && r < ${R}u) {
    ${rowLosses.used ? `// first the difference of the two logits: it is exactly 0 where the target leads, and then the loss has all its digits
    rowLosses[r] = select(0f, most - logits[row + word / ${step}u]${wide ? '[word % 4u]' : ''} + log_of(sum), counts);` : ''}
    ${predictions.used ? 'predictions[r] = i32(places[0]);' : ''}
  }
  ${differentiated ? `storageBarrier();
  let weight = select(0f, 1 / count[0], counts);
  for (var v = lane; v < ${words}u; v += ${SIZE}u) {
    let slope = exp(logits[row + v] - ${T4}(most)) * (weight / sum);
    logits[row + v] = slope - ${wide ? 'vec4f(vec4u(v * 4u, v * 4u + 1u, v * 4u + 2u, v * 4u + 3u) == vec4u(word))' : 'f32(v == word)'} * weight;
  }` : ''}
}`,
    });
  }
}
