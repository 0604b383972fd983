/**
 * WGSL for products whose results, 64 rows by up to 64 columns, lie in registers. A workgroup is 16 rows of 8 invocations, `down` and `across`; each has 32 sums, from
 * quads of rows and of columns, so that what it reads serves 4 or 8 of them. Factors come from memory in slices of DEPTH, which lie in `parts` as [depth][quad of
 * rows or columns]; while one is multiplied the next is on its way into registers. Scores wait in `tile` for the products that they are a factor of.
 */
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** queries, and keys, of a tile */
export const BLOCK = 64;
export const ACROSS = 8;
export const DOWN = 16;
/** invocations of a workgroup */
export const SIZE = ACROSS * DOWN;
/** channels, or tokens, of a slice */
const DEPTH = 16;
/** how much of a slice is one pass through the text of an inner loop */
const UNROLL = 8;
/** vec4s of a row of the tile, and of a slice: eight neighbours read within one. With padding they would write a little faster, but two workgroups would not fit into 48 KiB. */
export const PITCH = BLOCK / 4;
const COMPONENTS = ['x', 'y', 'z', 'w'];
const FOUR = [0, 1, 2, 3];

export const quads = (n: number): number => Math.ceil(n / 4);

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

/** Rows, or columns, of an invocation: quads from its place `at` on, every `places`-th. */
export interface Side {
  readonly at: 'across' | 'down';
  readonly places: number;
  readonly count: number;
}

/** Deals quads to one side of the workgroup. */
export const side = (at: 'across' | 'down', length: number): Side => {
  const places = at === 'across' ? ACROSS : DOWN;
  return { at, places, count: Math.ceil(length / places) };
};

/** Quad i of an invocation; its row r, of 4·count; and row r where neighbours have neighbouring rows rather than quads. */
export const quad = ({ at, places }: Side, i: number): string => `(${at} + ${places * i}u)`;
export const row = (s: Side, r: number): string => `(4u * ${quad(s, r >> 2)} + ${r & 3}u)`;
export const strided = quad;
/** The place of a vec4 of scores: row r of the tile, quad j of its columns. */
export const score = (rows: Side, r: number, columns: Side, j: number): string => `tile[${row(rows, r)} * ${PITCH}u + ${quad(columns, j)}]`;

export const eachQuad = (s: Side, text: (i: number) => string): string => repeat(s.count, text);
/** Calls `text` with each row r and quad of columns j of an invocation: sums are variables name`r`_`j`, a vec4 each. */
export const eachSum = (rows: Side, columns: Side, text: (r: number, j: number) => string): string => repeat(4 * rows.count, (r) => eachQuad(columns, (j) => text(r, j)));
export const zeroSums = (name: string, rows: Side, columns: Side): string => eachSum(rows, columns, (r, j) => `var ${name}${r}_${j} = vec4f();`);

/** On the diagonal, where `whole` is false: an invocation for which `busy` (of the slice) does not hold needs only the sums that are `wanted`. */
export interface Diagonal {
  busy(at: string): string;
  wanted(r: number, j: number): boolean;
}

/** Halves of the depth on the diagonal. */
export const firstHalf = (at: string): string => `${at} < ${BLOCK / DEPTH / 2}u`;
export const secondHalf = (at: string): string => `${at} >= ${BLOCK / DEPTH / 2}u`;

/** A product, by slices of its depth. `fetch` brings one into registers, `keep` puts it where `multiply` finds it. */
export interface Product {
  /** slices */
  readonly count: number;
  /** vec4s of registers */
  readonly registers: number;
  fetch(at: string): string;
  readonly keep: string;
  multiply(at: string): string;
}

/** The inner loop of a product: `text` for each p of a slice, of those sums that are wanted. */
function multiplying(at: string, { busy, wanted }: Diagonal, rows: Side, columns: Side, step: number, text: (p: string, wanted: (r: number, j: number) => boolean) => string): string {
  const passes = Math.max(1, UNROLL / step);
  const loop = (some: (r: number, j: number) => boolean) =>
    lines(`for (var p = 0u; p < ${DEPTH / step}u; p += ${passes}u) {`, repeat(passes, (n) => `{\n${text(`(p + ${n}u)`, some)}\n}`), '}');
  const idle = Array.from({ length: 4 * rows.count * columns.count }, (_, n) => !wanted(Math.floor(n / columns.count), n % columns.count));
  return lines(`if (whole || ${busy(at)}) {`, loop(() => true), idle.includes(false) && ['} else {', loop(wanted)], '}');
}

/** Adds a column of the left factor times a row of the right one. */
const outer = (sum: string, rows: Side, columns: Side, left: (i: number) => string, right: (j: number) => string, wanted: (r: number, j: number) => boolean): string =>
  lines(
    eachQuad(rows, (i) => `let left${i} = ${left(i)};`),
    eachQuad(columns, (j) => `let right${j} = ${right(j)};`),
    eachSum(rows, columns, (r, j) => (wanted(r, j) ? `${sum}${r}_${j} = fma(vec4f(left${r >> 2}[${r & 3}]), right${j}, ${sum}${r}_${j});` : '')),
  );

/** Rows of a tensor: `name`, of the tokens from `first` on. */
export interface Rows {
  readonly name: string;
  readonly first: string;
}

/** How many slices C channels make, and how many vec4s of a row `products` then asks for. */
const slicesOf = (C: number): number => Math.ceil(C / DEPTH);
export const productsReach = (C: number): number => (slicesOf(C) * DEPTH) / 4;

/** `sum`r_j += Σ_c left[row, c]·right[column, c], over C channels. */
export function products(sum: string, rows: Side, columns: Side, left: Rows, right: Rows, C: number, diagonal: Diagonal): Product {
  const deep = DEPTH / 4;
  // a slice of a factor is a block of 4 tokens by 4 channels for each half of the workgroup
  const half = SIZE / 2;
  const block = (text: (factor: Rows, base: number) => string) =>
    `{ let step = lane % ${deep}u; let line = lane % ${half}u / ${deep}u; if (lane < ${half}u) { ${text(left, 0)} } else { ${text(right, DEPTH * PITCH)} } }`;
  return {
    count: slicesOf(C),
    registers: 4,
    fetch: (at) => block(({ name, first }) => FOUR.map((q) => `next${q} = ${name}_at(head, ${first} + line * 4u + ${q}u, ${at} * ${deep}u + step);`).join(' ')),
    // the order of the depth does not matter: channels 0, 4, … of the slice come first, which puts neighbours' into different banks
    keep: block((_, base) => FOUR.map((c) => `parts[${base}u + (step + ${c * deep}u) * ${PITCH}u + line] = vec4f(${FOUR.map((q) => `next${q}[${c}]`).join(', ')});`).join(' ')),
    multiply: (at) =>
      multiplying(at, diagonal, rows, columns, 1, (p, wanted) =>
        outer(sum, rows, columns, (i) => `parts[${p} * ${PITCH}u + ${quad(rows, i)}]`, (j) => `parts[${DEPTH * PITCH}u + ${p} * ${PITCH}u + ${quad(columns, j)}]`, wanted)),
  };
}

/** Slices of rows of `right`, from channels 4·firstChannel on, as they lie in memory, `width` vec4s each. */
function natural(right: Rows, firstChannel: string, { count, places }: Side): Omit<Product, 'multiply'> & { width: number } {
  const width = count * places;
  const registers = (DEPTH * width) / SIZE;
  const each = (text: (n: number) => string) => repeat(registers, (n) => `{ let e = lane + ${n * SIZE}u; ${text(n)} }`);
  return {
    width,
    count: BLOCK / DEPTH,
    registers,
    fetch: (at) => each((n) => `next${n} = ${right.name}_at(head, ${right.first} + ${at} * ${DEPTH}u + e / ${width}u, ${firstChannel} + e % ${width}u);`),
    keep: each((n) => `parts[e] = next${n};`),
  };
}

/** `sum`r_g += Σ_d tile[d, row]·right[d, first channel + column]: the transposed tile times rows of `right`. */
export function transposedTileTimes(sum: string, rows: Side, columns: Side, right: Rows, firstChannel: string, diagonal: Diagonal): Product {
  const slices = natural(right, firstChannel, columns);
  return {
    ...slices,
    multiply: (at) =>
      multiplying(at, diagonal, rows, columns, 1, (p, wanted) =>
        outer(sum, rows, columns, (i) => `tile[(${at} * ${DEPTH}u + ${p}) * ${PITCH}u + ${quad(rows, i)}]`, (j) => `parts[${p} * ${slices.width}u + ${quad(columns, j)}]`, wanted)),
  };
}

/** `sum`r_g += Σ_d tile[strided row, d]·right[d, first channel + column]. */
export function tileTimes(sum: string, rows: Side, columns: Side, right: Rows, firstChannel: string, diagonal: Diagonal): Product {
  const slices = natural(right, firstChannel, columns);
  return {
    ...slices,
    multiply: (at) =>
      multiplying(at, diagonal, rows, columns, 4, (p, wanted) =>
        lines(
          repeat(4, (d) => eachQuad(columns, (j) => `let right${d}_${j} = parts[(4u * ${p} + ${d}u) * ${slices.width}u + ${quad(columns, j)}];`)),
          repeat(4 * rows.count, (r) => (wanted(r, 0) ? `let left${r} = tile[${strided(rows, r)} * ${PITCH}u + ${at} * ${DEPTH / 4}u + ${p}];` : '')),
          repeat(4, (d) => eachSum(rows, columns, (r, j) => (wanted(r, j) ? `${sum}${r}_${j} = fma(vec4f(left${r}.${COMPONENTS[d]}), right${d}_${j}, ${sum}${r}_${j});` : ''))),
        )),
  };
}

/** A whole product. Its first slice has been fetched; `following` fetches the first one of the next product. */
export const multiply = (product: Product, following: string): string => `
for (var at = 0u; at < ${product.count}u; at++) {
  workgroupBarrier();
${product.keep}
  workgroupBarrier();
  if (at < ${product.count - 1}u) {
${product.fetch('(at + 1u)')}
  } else {
${following}
  }
${product.multiply('at')}
}`;

/** Workgroup memory. */
export const declarations = `
var<workgroup> tile: array<vec4f, ${BLOCK * PITCH}>;
var<workgroup> parts: array<vec4f, ${2 * DEPTH * PITCH}>;`;

/** Registers for a slice on its way. */
export const slices = (products: readonly Product[]): string => repeat(Math.max(...products.map((s) => s.registers)), (i) => `var next${i} = vec4f();`);
