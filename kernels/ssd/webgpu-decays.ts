/**
 * Decays exp(Σ_{s+1..t} α), α = dt·a, between the tokens of two tiles, as WGSL. No sum is a difference of sums: a segment is put together
 * from whole fours of tokens and what is left at its ends, all of one sign, so that a decay is as exact as its exponent.
 * What underflows is 0. An invocation's rows start from such a decay and go on by e^α from row to row.
 */
import type { Sizes } from './sizes.ts';
import { TILE, type Tiling } from './webgpu-tiles.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** Whether an invocation's rows are tokens that read (t) or that are written (s); the columns are the others. */
export type Side = 'reading' | 'written';

const COUNT = TILE / 4;

/**
 * Declarations. load_decays(…) fills the tables of a head: of the tile whose tokens are rows, `own`, and of the other tile, whose tokens
 * are columns; a barrier must be on both sides. Needs the bindings dt_data and a_data. Tokens that do not exist have α = 0.
 */
export function decayFunctions({ H }: Sizes): string {
  const table = (name: string) => `var<workgroup> ${name}_alpha: array<vec4f, ${COUNT}>;
var<workgroup> ${name}_dt: array<vec4f, ${COUNT}>;
var<workgroup> ${name}_fours: array<f32, ${COUNT}>;`;
  return `${table('own')}
${table('other')}
fn dt_of(token: u32, rows: u32, four: u32, h: u32) -> vec4f {
  var v = vec4f(0);
${repeat(4, (k) => `  if (4u * four + ${k}u < rows) { v[${k}] = dt_data[(token + 4u * four + ${k}u) * ${H}u + h]; }`)}
  return v;
}
fn load_decays(lane: u32, own_token: u32, own_rows: u32, other_token: u32, other_rows: u32, h: u32) {
  let four = lane % ${COUNT}u;
  if (lane < ${COUNT}u) {
    let dt = dt_of(own_token, own_rows, four, h);
    let alpha = dt * a_data[h];
    own_dt[four] = dt;
    own_alpha[four] = alpha;
    own_fours[four] = alpha.x + alpha.y + alpha.z + alpha.w;
  } else if (lane < ${2 * COUNT}u) {
    let dt = dt_of(other_token, other_rows, four, h);
    let alpha = dt * a_data[h];
    other_dt[four] = dt;
    other_alpha[four] = alpha;
    other_fours[four] = alpha.x + alpha.y + alpha.z + alpha.w;
  }
}
fn own_sum(first: u32, end: u32) -> f32 {
  var sum = 0f;
  for (var k = first; k < end; k++) { sum += own_fours[k]; }
  return sum;
}
fn other_sum(first: u32, end: u32) -> f32 {
  var sum = 0f;
  for (var k = first; k < end; k++) { sum += other_fours[k]; }
  return sum;
}
fn before_and_at(row: u32) -> f32 {
  let v = own_alpha[row / 4u];
  let k = row % 4u;
  return own_sum(0u, row / 4u) + dot(v, vec4f(vec4u(0, 1, 2, 3) <= vec4u(k)));
}
fn after(row: u32) -> f32 {
  let v = own_alpha[row / 4u];
  let k = row % 4u;
  return own_sum(row / 4u + 1u, ${COUNT}u) + dot(v, vec4f(vec4u(0, 1, 2, 3) > vec4u(k)));
}`;
}

/**
 * Row by row, `m` is the four decays of the invocation's columns. Variables in use: `diagonal` (both tiles are one), `between`, the sum
 * of α over the tiles between the two.
 */
export function decayRows(tiling: Tiling, side: Side, row: (i: number) => string): string {
  const reading = side === 'reading';
  const fours = tiling.height / 4;
  const order = Array.from({ length: tiling.height }, (_, k) => (reading ? k : tiling.height - 1 - k));
  // the invocation's rows are these fours
  const [first, end] = [`${fours}u * ty`, `${fours}u * ty + ${fours}u`];
  return lines(
    repeat(fours, (q) => `  let steps${q} = exp(own_alpha[${first} + ${q}u]);`),
    `  let ends = other_alpha[tx];`,
    `  var segment = ${reading ? 'vec4f(ends.y + ends.z + ends.w, ends.z + ends.w, ends.w, 0f)' : 'vec4f(ends.x, ends.x + ends.y, ends.x + ends.y + ends.z, ends.x + ends.y + ends.z + ends.w)'};`,
    `  if (diagonal) { segment += ${reading ? `own_sum(tx + 1u, ${first})` : `own_sum(${end}, tx)`}; }`,
    `  else { segment += between + ${reading ? `other_sum(tx + 1u, ${COUNT}u) + own_sum(0u, ${first})` : `own_sum(${end}, ${COUNT}u) + other_sum(0u, tx)`}; }`,
    `  var m = select(vec4f(0), exp(segment), !diagonal || ${reading ? `tx < ${first}` : `tx >= ${end}`});`,
    `  let columns = vec4u(4u * tx) + vec4u(0, 1, 2, 3);`,
    order.map((i) => {
      // into row i when reading, out of row i + 1 when written
      const k = reading ? i : i + 1;
      const step = k === tiling.height ? 'm' : `m * steps${Math.floor(k / 4)}[${k % 4}]`;
      return lines(`  m = select(${step}, vec4f(1), vec4<bool>(diagonal) & (columns == vec4u(${tiling.row(i)})));`, row(i));
    }),
  );
}
