/** What is left of the gradients of SSD after the products, as WGSL: the gradients of dt, a and d from sums by token, and sums of shares. */
import type { GpuBinding, GpuKernel, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import type { Cut } from './webgpu-chunked.ts';
import { partials, sumPartials } from '../webgpu-sums.ts';
import { TILE } from './webgpu-tiles.ts';

/**
 * Sums by token that lie in one buffer, each [parts,B,L,H], one part for each unit of a head: w ∘ dw of the pairs around a token within
 * the tiles of its row; what comes from the state before its chunk; w ∘ dw of its column in later tiles; what goes to the state after its chunk;
 * x·dX̃; x·dy. After them, where a chunk has several tiles, w ∘ dw of whole tiles [parts,B,chunks,H,tiles,tiles].
 */
export const PLANES = { rows: 0, before: 1, columns: 2, after: 3, direct: 4, along: 5 } as const;
const COUNT = Object.keys(PLANES).length;

export function sumsSize({ B, L, H, chunks, tiles, parts }: Cut): number {
  return COUNT * parts * B * L * H + (tiles > 1 ? parts * B * chunks * H * tiles * tiles : 0);
}

/** Where the sum of a token is, in the part of a unit. */
export function planeAt({ B, L, H, parts }: Cut, plane: number, unit: string, token: string, h: string): string {
  return `${plane * parts * B * L * H}u + (${unit} % ${parts}u * ${B * L}u + ${token}) * ${H}u + ${h}`;
}

/** Where the sum over the tile of reading tokens `i` and written tokens `j` is. */
export function totalAt({ B, L, H, chunks, tiles, parts }: Cut, unit: string, i: string, j: string): string {
  return `${COUNT * parts * B * L * H}u + ((((${unit} % ${parts}u * ${B}u + batch) * ${chunks}u + chunk) * ${H}u + h) * ${tiles}u + ${i}) * ${tiles}u + ${j}`;
}

/** What passes whole chunks: exp(Σ_chunk α)·⟨state before, gradient of the state after⟩, [B,chunks,H]; not for the first and the last chunk. */
export function throughKernel({ B, H, P, N, chunks }: Cut, states: Operand, gradients: Operand, across: Operand, through: Operand): GpuKernel {
  const whole = (P * N) % 4 === 0;
  const [size, type] = whole ? [(P * N) / 4, 'vec4f'] : [P * N, 'f32'];
  const bind = (operand: Operand): GpuBinding => (whole ? { operand, as: 'vec4<f32>' } : operand);
  return {
    name: 'ssd_through_chunks',
    bindings: { states_data: bind(states), gradients_data: bind(gradients), across_data: across, through_data: through },
    tasks: B * (chunks - 2) * H,
    code: `
var<workgroup> shares: array<f32, 64>;
@compute @workgroup_size(64) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
  let h = task % ${H}u;
  let chunk = task / ${H}u % ${chunks - 2}u + 1u;
  let batch = task / ${H * (chunks - 2)}u;
  let slot = (batch * ${chunks - 1}u + chunk) * ${H}u + h;
  let before = (slot - ${H}u) * ${size}u;
  var sum = ${type}(0);
  for (var i = lane; i < ${size}u; i += 64u) { sum += states_data[before + i] * gradients_data[slot * ${size}u + i]; }
  shares[lane] = ${whole ? 'dot(sum, vec4f(1))' : 'sum'};
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shares[lane] += shares[lane + half]; }
  }
  if (lane == 0u) { through_data[(batch * ${chunks}u + chunk) * ${H}u + h] = across_data[slot] * shares[0]; }
}`,
  };
}

/**
 * The gradients of dt, a and d. α_r scales what passes from before r to r or later, so dα_r = rows_r + Σ_{s < r} columns_s (of r's tile) +
 * whole tiles around r's + Σ_{t ≥ r} before_t + Σ_{s < r} after_s + through; ddt = x·dX̃ + a·dα, da = Σ dt·dα, dd = Σ x·dy.
 * A task for each (batch, chunk, tile, head), its invocations the tokens.
 */
export function decayGradient(
  lowering: WebgpuLowering, sizes: Cut, { dt, a, sums, through, stateful }: { dt: Operand; a: Operand; sums: Operand; through?: Operand; stateful: boolean },
): void {
  const [, ddt, da, , , dd] = lowering.outputs;
  const { B, L, H, chunk, chunks, tiles, parts } = sizes;
  const tasks = B * chunks * tiles;
  const [daShares, ddShares] = [da, dd].map((output) => partials(lowering, tasks, output)) as [Operand, Operand];
  const alpha = ddt.used || da.used;
  const pairs = alpha && tiles > 1;
  const states = alpha && stateful;
  const total = (plane: number, token: string) => `total(${planeAt(sizes, plane, '0u', token, 'h')})`;
  lowering.dispatch({
    name: 'ssd_decay_gradient',
    bindings: {
      sums_data: sums, ...(da.used ? { dt_data: dt } : {}), ...(ddt.used ? { a_data: a, ddt_data: ddt } : {}),
      ...(da.used ? { da_data: daShares } : {}), ...(dd.used ? { dd_data: ddShares } : {}), ...(states && through && { through_data: through }),
    },
    tasks: tasks * H,
    code: lines(
      `var<workgroup> pairs: array<vec2f, ${TILE}>;
fn total(at: u32) -> f32 {
  var sum = 0f;
  for (var part = 0u; part < ${parts}u; part++) { sum += sums_data[at + part * ${B * L * H}u]; }
  return sum;
}
fn add_up(lane: u32, v: vec2f) -> vec2f {
  workgroupBarrier();
  pairs[lane] = v;
  for (var half = ${TILE / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { pairs[lane] += pairs[lane + half]; }
  }
  workgroupBarrier();
  return pairs[0];
}
@compute @workgroup_size(${TILE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
  let h = task % ${H}u;
  let own = task / ${H}u % ${tiles}u;
  let chunk = task / ${H * tiles}u % ${chunks}u;
  let batch = task / ${H * tiles * chunks}u;
  let start = batch * ${L}u + chunk * ${chunk}u;
  let length = min(${chunk}u, ${L}u - chunk * ${chunk}u);
  let token = start + own * ${TILE}u + lane;
  let there = own * ${TILE}u + lane < length;`,
      alpha && lines(
        `  var gradient = 0f;`,
        `  if (there) { gradient = ${total(PLANES.rows, 'token')}; }`,
        (pairs || states) && lines(
          // of this tile, for a sum over earlier tokens and one over later ones; of the others, for all tokens alike
          `  var earlier = 0f;
  var later = 0f;
  var rest = 0f;`,
          pairs && `  if (there && (own + 1u) * ${TILE}u < length) { earlier += ${total(PLANES.columns, 'token')}; }
  if (own > 0u) {
    let existing = (length + ${TILE - 1}u) / ${TILE}u;
    for (var e = lane; e < (max(existing, own + 1u) - own - 1u) * own; e += ${TILE}u) {
      let i = own + 1u + e / own;
      let j = e % own;
      for (var part = 0u; part < ${parts}u; part++) { rest += sums_data[${totalAt(sizes, 'part', 'i', 'j')}]; }
    }
  }`,
          states && `  if (chunk < ${chunks - 1}u) {
    if (there) { earlier += ${total(PLANES.after, 'token')}; }
    for (var t = lane; t < own * ${TILE}u; t += ${TILE}u) { rest += ${total(PLANES.after, '(start + t)')}; }
  }
  if (chunk > 0u) {
    if (there) { later += ${total(PLANES.before, 'token')}; }
    for (var t = (own + 1u) * ${TILE}u + lane; t < length; t += ${TILE}u) { rest += ${total(PLANES.before, '(start + t)')}; }
  }`,
          states && through && `  if (lane == 0u && chunk > 0u && chunk < ${chunks - 1}u) { rest += through_data[(batch * ${chunks}u + chunk) * ${H}u + h]; }`,
          `  rest = add_up(lane, vec2f(rest, 0)).x;
  workgroupBarrier();
  pairs[lane].x = earlier;
  pairs[${TILE - 1}u - lane].y = later;
  workgroupBarrier();
  var sum = pairs[lane];
  for (var far = 1u; far < ${TILE}u; far *= 2u) {
    if (lane >= far) { sum += pairs[lane - far]; }
    workgroupBarrier();
    pairs[lane] = sum;
    workgroupBarrier();
  }
  gradient += rest + pairs[${TILE - 1}u - lane].y;
  if (lane > 0u) { gradient += pairs[lane - 1u].x; }`,
        ),
        ddt.used && `  if (there) { ddt_data[token * ${H}u + h] = ${total(PLANES.direct, 'token')} + a_data[h] * gradient; }`,
      ),
      (da.used || dd.used) && lines(
        `  var share = vec2f(0);`,
        `  if (there) { share = vec2f(${da.used ? `gradient * dt_data[token * ${H}u + h]` : '0f'}, ${dd.used ? total(PLANES.along, 'token') : '0f'}); }`,
        `  share = add_up(lane, share);`,
        da.used && `  if (lane == 0u) { da_data[task] = share.x; }`,
        dd.used && `  if (lane == 0u) { dd_data[task] = share.y; }`,
      ),
      `}`,
    ),
  });
  sumPartials(lowering, [{ shares: daShares, count: tasks, out: da }, { shares: ddShares, count: tasks, out: dd }]);
}

/** y[i] = Σ_k x[k, i] over a few shares: an invocation for each element, or for four. */
export function sumShares(x: Operand, shares: number, size: number, y: Operand): GpuKernel {
  const whole = size % 4 === 0;
  const n = whole ? size / 4 : size;
  const bind = (operand: Operand): GpuBinding => (whole ? { operand, as: 'vec4<f32>' } : operand);
  return {
    name: 'ssd_sum_shares',
    bindings: { shares_data: bind(x), sum_data: bind(y) },
    tasks: Math.ceil(n / 256),
    code: `
@compute @workgroup_size(256) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = task_of(group) * 256u + lane;
  if (i >= ${n}u) { return; }
  var sum = shares_data[i];
  for (var k = 1u; k < ${shares}u; k++) { sum += shares_data[k * ${n}u + i]; }
  sum_data[i] = sum;
}`,
  };
}
