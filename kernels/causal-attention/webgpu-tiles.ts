/**
 * WGSL for products with a tile of 64×64 scores that lies in workgroup memory. A workgroup is 16 rows of `across` invocations; invocation
 * (down, side) holds the scores of rows down + 16·i (i < 4) and columns 4·(side + across·h) … + 3, a vec4 for each i and h. Rows of
 * operands pass through `parts` in workgroup memory; whatever a product reads there is padded to whole vec4s with zeros.
 */
import type { GpuCapabilities } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** queries, and keys, of a tile */
export const BLOCK = 64;
/** rows of invocations, and rows of a tile that an invocation has */
const DOWN = 16;
const ROWS = BLOCK / DOWN;
/** vec4s from one row of the tile to the next: one more than needed, so that neighbouring rows lie in different banks */
const PITCH = BLOCK / 4 + 1;
const COMPONENTS = ['x', 'y', 'z', 'w'];

export const quads = (n: number): number => Math.ceil(n / 4);

export interface Tiling {
  readonly across: number;
  /** invocations of a workgroup */
  readonly size: number;
  /** vec4s of `parts` */
  readonly room: number;
}

/** Halves of 64 rows pass where workgroup memory has 40 KiB or more, otherwise quarters. */
export const tiling = (gpu: GpuCapabilities, across: 8 | 16): Tiling => ({ across, size: DOWN * across, room: 2 * BLOCK * (gpu.workgroupBytes >= 40 * 1024 ? 9 : 5) });

/** Calls `text` with each row i, and with each i and h, of an invocation's scores. */
export const eachRow = (text: (i: number) => string): string => repeat(ROWS, text);
export const eachScore = ({ across }: Tiling, text: (i: number, h: number) => string): string => eachRow((i) => repeat(BLOCK / 4 / across, (h) => text(i, h)));

/** Row i of an invocation in the tile; its columns of group h, as one vec4 of the row, and as four numbers. */
export const row = (i: number): string => `(down + ${DOWN * i}u)`;
export const column = ({ across }: Tiling, h: number): string => `(side + ${across * h}u)`;
export const columns = (t: Tiling, h: number): string => `(4u * ${column(t, h)} + vec4u(0, 1, 2, 3))`;
/** The place of that vec4. */
export const score = (t: Tiling, i: number, h: number): string => `tile[${row(i)} * ${PITCH}u + ${column(t, h)}]`;

/**
 * `name_at(head, token, c)` reads channels 4c … 4c+3 of a token from a tensor [B,L,H,C], `head` being the row of the head's first token; zeros where
 * there are none. It is asked for c below `reach`, and for tokens of whole blocks: without a remainder it has nothing to check.
 */
export function reader(name: string, L: number, H: number, C: number, reach: number): string {
  const outside = [L % BLOCK !== 0 && `token >= ${L}u`, reach > quads(C) && `c >= ${quads(C)}u`].filter((condition) => condition !== false);
  return lines(
    `fn ${name}_at(head: u32, token: u32, c: u32) -> vec4f {`,
    outside.length > 0 && `  if (${outside.join(' || ')}) { return vec4f(); }`,
    `  let line = head + token * ${H}u;`,
    quadOf(name, C),
    '}',
  );
}

/** `name_quad(line, c)` reads elements 4c … 4c+3 of a row of a tensor [lines,C]; zeros after its end. */
export const lineReader = (name: string, C: number): string => `fn ${name}_quad(line: u32, c: u32) -> vec4f {
  if (c >= ${quads(C)}u) { return vec4f(); }
${quadOf(name, C)}
}`;

function quadOf(name: string, C: number): string {
  if (C % 4 === 0) return `  return ${name}[line * ${C / 4}u + c];`;
  return `  let at = line * ${C}u + 4u * c;
  let last = min(${C - 1}u - 4u * c, 3u);
  return vec4f(${name}[at], ${[1, 2, 3].map((j) => `select(0f, ${name}[at + min(${j}u, last)], last >= ${j}u)`).join()});`;
}

/** `name_put(head, token, c, value)`: the reader's counterpart, which writes nothing outside. */
export function writer(name: string, L: number, H: number, C: number): string {
  const four = C % 4 === 0;
  return lines(
    `fn ${name}_put(head: u32, token: u32, c: u32, value: vec4f) {`,
    `  if (token >= ${L}u || c >= ${quads(C)}u) { return; }`,
    `  let at = (head + token * ${H}u) * ${four ? C / 4 : C}u + ${four ? 'c' : '4u * c'};`,
    four ? `  ${name}[at] = value;` : repeat(4, (j) => `  if (4u * c + ${j}u < ${C}u) { ${name}[at + ${j}u] = value.${COMPONENTS[j]}; }`),
    '}',
  );
}

/** A tensor of channels as a binding: as vec4s where its rows are whole ones. */
export const elements = (C: number): 'vec4<f32>' | 'f32' => (C % 4 === 0 ? 'vec4<f32>' : 'f32');

/** Workgroup memory, and functions that the products call. */
export const declarations = ({ across, room }: Tiling): string => `
var<workgroup> tile: array<vec4f, ${BLOCK * PITCH}>;
var<workgroup> parts: array<vec4f, ${room}>;
// sums + (x·y0, x·y1, x·y2, x·y3)
fn dots(x: vec4f, y0: vec4f, y1: vec4f, y2: vec4f, y3: vec4f, sums: vec4f) -> vec4f {
  return sums${COMPONENTS.map((c) => ` + x.${c} * vec4f(${[0, 1, 2, 3].map((j) => `y${j}.${c}`).join()})`).join('')};
}
// the four columns of an invocation are neighbours, but neighbouring invocations shall read neighbouring rows: where row r of parts comes from
fn row_of_part(r: u32) -> u32 { return (r / ${4 * across}u * ${across}u + r % ${across}u) * 4u + r / ${across}u % 4u; }`;

/** Declares the sums of a product with `wide` vec4s for each row, all zero. */
export const zeroSums = (sum: string, wide: number): string => eachRow((i) => repeat(wide, (g) => `var ${sum}${i}_${g} = vec4f();`));

/** vec4s of a row of C channels that pass together where scores are computed: parts of one size, the last one padded with zeros. */
function depthOf({ room }: Tiling, C: number): number {
  const most = room / (2 * BLOCK) - 1;
  return Math.ceil(quads(C) / Math.ceil(quads(C) / most));
}

/** How many vec4s of a row of C channels `scores` asks for. */
export const scoresReach = (t: Tiling, C: number): number => Math.ceil(quads(C) / depthOf(t, C)) * depthOf(t, C);

/**
 * Declares and computes scores `sum`i_h = Σ_c left[first row + row, c]·right[first column + column, c]. Those for which `idle` holds are not wanted
 * on the diagonal, where `whole` is false: they stay 0.
 */
export function scores(t: Tiling, sum: string, left: string, firstRow: string, right: string, firstColumn: string, C: number, idle: (i: number, h: number) => boolean): string {
  const groups = BLOCK / 4 / t.across;
  const depth = depthOf(t, C);
  const pitch = depth | 1;
  const dotsOf = (i: number, wanted: (h: number) => boolean) =>
    lines(Array.from({ length: groups }, (_, h) => h).filter(wanted).map((h) => `${sum}${i}_${h} = dots(x${i}, y${4 * h}, y${4 * h + 1}, y${4 * h + 2}, y${4 * h + 3}, ${sum}${i}_${h});`));
  const idleDots = eachRow((i) => dotsOf(i, (h) => idle(i, h)));
  return `
${zeroSums(sum, groups)}
for (var first = 0u; first < ${quads(C)}u; first += ${depth}u) {
  workgroupBarrier();
  for (var e = lane; e < ${BLOCK * depth}u; e += ${t.size}u) {
    let r = e / ${depth}u;
    let c = e % ${depth}u;
    parts[r * ${pitch}u + c] = ${left}_at(head, ${firstRow} + r, first + c);
    parts[${BLOCK * pitch}u + r * ${pitch}u + c] = ${right}_at(head, ${firstColumn} + row_of_part(r), first + c);
  }
  workgroupBarrier();
  for (var c = 0u; c < ${depth}u; c++) {
${eachRow((i) => `let x${i} = parts[${row(i)} * ${pitch}u + c];`)}
${repeat(4 * groups, (j) => `let y${j} = parts[(${BLOCK}u + side + ${t.across * j}u) * ${pitch}u + c];`)}
${eachRow((i) => dotsOf(i, (h) => !idle(i, h)))}
${idleDots.trim() === '' ? '' : `if (whole) {\n${idleDots}\n}`}
  }
}`;
}

/** Passes 64 rows of `right`, from `firstRow` on and `wide`·across vec4s from `firstColumn` on, by part; `body` adds a part up. */
function byParts(t: Tiling, right: string, firstRow: string, firstColumn: string, wide: number, body: (length: number) => string): string {
  const width = wide * t.across;
  let length = BLOCK / 2;
  while (length * width > t.room) length /= 2;
  return `
for (var first = 0u; first < ${BLOCK}u; first += ${length}u) {
  workgroupBarrier();
  for (var e = lane; e < ${length * width}u; e += ${t.size}u) { parts[e] = ${right}_at(head, ${firstRow} + first + e / ${width}u, ${firstColumn} + e % ${width}u); }
  workgroupBarrier();
${body(length)}
}`;
}

/**
 * `sum`i_g += Σ_j tile[row, j]·right[first row + j, 4·(first column + side + across·g) …]: the tile times 64 rows of `right`. On the
 * diagonal the `idle` rows of the tile have only zeros in the half of j where `busy` (of `first`, the part's first j) is false.
 */
export function tileTimes(t: Tiling, sum: string, right: string, firstRow: string, firstColumn: string, wide: number, idle: readonly number[], busy: string): string {
  const width = wide * t.across;
  const add = (i: number) => repeat(wide, (g) => `${sum}${i}_${g} = ${[`${sum}${i}_${g}`, ...COMPONENTS.map((c, j) => `p${i}.${c} * r${j}_${g}`)].join(' + ')};`);
  const rowsOf = (wanted: boolean) => eachRow((i) => (idle.includes(i) === wanted ? lines(`let p${i} = tile[${row(i)} * ${PITCH}u + first / 4u + j];`, add(i)) : ''));
  return byParts(t, right, firstRow, firstColumn, wide, (length) => `
  let busy = whole || ${busy};
  for (var j = 0u; j < ${length / 4}u; j++) {
${repeat(wide, (g) => repeat(4, (k) => `let r${k}_${g} = parts[(4u * j + ${k}u) * ${width}u + ${column(t, g)}];`))}
${rowsOf(false)}
if (busy) {
${rowsOf(true)}
}
  }`);
}

/** `sum`i_g += Σ_j tile[j, 4·down + i]·right[first row + j, 4·(first column + side + across·g) …]: the transposed tile times 64 rows. */
export function transposedTileTimes(t: Tiling, sum: string, right: string, firstRow: string, firstColumn: string, wide: number): string {
  return byParts(t, right, firstRow, firstColumn, wide, (length) => `
  for (var j = 0u; j < ${length}u; j++) {
    let p = tile[(first + j) * ${PITCH}u + down];
${repeat(wide, (g) => lines(`let r${g} = parts[j * ${wide * t.across}u + ${column(t, g)}];`, eachRow((i) => `${sum}${i}_${g} += p.${COMPONENTS[i]} * r${g};`)))}
  }`);
}
