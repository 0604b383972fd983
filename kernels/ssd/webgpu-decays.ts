/**
 * Decays exp(Σ_{s+1..t} α), α = dt·a, between the tokens of two tiles, as WGSL. No sum is a difference of sums: a segment is put together
 * from whole fours of tokens and what is left at its ends, all of one sign, so that a decay is as exact as its exponent.
 * What underflows is 0. An invocation's rows start from such a decay and go on by e^α from row to row.
 */
import type { Sizes } from './sizes.ts';
import { eachRow, rowOf, TILE } from './webgpu-tiles.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** fours of tokens in a tile */
const COUNT = TILE / 4;

/** dt_of(token, rows, four, h): dt of four tokens of the tile of `rows` that begins at `token`; of those that do not exist 0. Needs the binding dt_data. */
export const dtFunction = ({ H }: Sizes): string => `fn dt_of(token: u32, rows: u32, four: u32, h: u32) -> vec4f {
  var v = vec4f(0);
${repeat(4, (k) => `  if (4u * four + ${k}u < rows) { v[${k}] = dt_data[(token + 4u * four + ${k}u) * ${H}u + h]; }`)}
  return v;
}`;

/** Tables of a tile, filled four tokens at a time: keep_name(four, dt, a) enters name_dt and name_alpha; name_sum(first, end) is Σ α of the fours first … end−1. */
export const decayTables = (name: string): string => lines(
  `var<workgroup> ${name}_alpha: array<vec4f, ${COUNT}>;
var<workgroup> ${name}_dt: array<vec4f, ${COUNT}>;
var<workgroup> ${name}_fours: array<f32, ${COUNT}>;
fn keep_${name}(four: u32, dt: vec4f, a: f32) {
  let alpha = dt * a;
  ${name}_dt[four] = dt;
  ${name}_alpha[four] = alpha;
  ${name}_fours[four] = alpha.x + alpha.y + alpha.z + alpha.w;
}
fn ${name}_sum(first: u32, end: u32) -> f32 {
  var sum = 0f;`,
  // all are read at once, which takes less time than to read some one after the other
  repeat(COUNT, (k) => `  sum += select(0f, ${name}_fours[${k}], first <= ${k}u && ${k}u < end);`),
  `  return sum;
}`,
);

/**
 * Declarations. load_decays(…) fills the tables of a head: of the tile of reading tokens t, which are rows, and of the one of written tokens s,
 * which are columns; a barrier must be on both sides. before_and_at(…) is of a reading token, after(…) of a written one, each to the end
 * of its tile. Needs the bindings dt_data and a_data. Tokens that do not exist have α = 0.
 */
export function decayFunctions(sizes: Sizes): string {
  return `${decayTables('reading')}
${decayTables('written')}
${dtFunction(sizes)}
fn load_decays(lane: u32, reading_token: u32, reading_rows: u32, written_token: u32, written_rows: u32, h: u32) {
  let four = lane % ${COUNT}u;
  if (lane < ${COUNT}u) { keep_reading(four, dt_of(reading_token, reading_rows, four, h), a_data[h]); }
  else if (lane < ${2 * COUNT}u) { keep_written(four, dt_of(written_token, written_rows, four, h), a_data[h]); }
}
fn before_and_at(row: u32) -> f32 {
  let v = reading_alpha[row / 4u];
  let k = row % 4u;
  return reading_sum(0u, row / 4u) + dot(v, vec4f(vec4u(0, 1, 2, 3) <= vec4u(k)));
}
fn after(row: u32) -> f32 {
  let v = written_alpha[row / 4u];
  let k = row % 4u;
  return written_sum(row / 4u + 1u, ${COUNT}u) + dot(v, vec4f(vec4u(0, 1, 2, 3) > vec4u(k)));
}`;
}

/**
 * Row by row, `m` is the four decays of the invocation's columns. Variables in use: `diagonal` (both tiles are one), `between`, the sum
 * of α over the tiles between the two.
 */
export function decayRows(row: (i: number) => string): string {
  return lines(
    `  let steps = exp(reading_alpha[ty]);
  let ends = written_alpha[tx];
  var segment = vec4f(ends.y + ends.z + ends.w, ends.z + ends.w, ends.w, 0f);
  if (diagonal) { segment += reading_sum(tx + 1u, ty); }
  else { segment += between + written_sum(tx + 1u, ${COUNT}u) + reading_sum(0u, ty); }
  var m = select(vec4f(0), exp(segment), !diagonal || tx < ty);
  let columns = vec4u(4u * tx) + vec4u(0, 1, 2, 3);`,
    eachRow((i) => lines(
      `  m = select(m * steps[${i}], vec4f(1), vec4<bool>(diagonal) & (columns == vec4u(${rowOf(i)})));`,
      row(i),
    )),
  );
}
