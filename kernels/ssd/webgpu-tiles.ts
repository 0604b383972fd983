/**
 * Pieces of WGSL for products of tiles. A result is a tile of 64 × 64, of which an invocation (ty, tx) has rows 4ty … 4ty+3 and columns
 * 4tx … 4tx+3, in named vectors r0 … r3: eight rows would read less from the pool, but took longer on an H100, with half as many
 * invocations at work. Operands pass through `pool` in slices of the depth: while one is multiplied, the next is on its way from memory
 * into registers.
 *
 * Tiles whose rows run along the depth lie in the pool row by row, an odd number of vectors apart, and with their rows in the
 * order in which a step of all invocations reads them: then no two lanes meet in a bank. Whoever writes to the pool begins with a barrier.
 */
import type { GpuBinding, Operand } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** Tokens, channels or state entries in a tile. */
export const TILE = 64;
/** rows of an invocation, rows of invocations, invocations */
const HEIGHT = 4;
export const DOWN = TILE / HEIGHT;
const SIZE = 16 * DOWN;
/** vectors from row to row of a whole tile in the pool */
const WHOLE_STEP = TILE / 4 + 1;

/** An operand of rows of `size` floats, bound for reading and writing four at a time from `column` on. Outside a row are zeros. */
export function inFours(name: string, operand: Operand, size: number, access: 'read' | 'write' | 'both' = 'read'): { bindings: Record<string, GpuBinding>; functions: string } {
  const whole = size % 4 === 0;
  const part = (text: (k: number, component: string) => string) => ['x', 'y', 'z', 'w'].map((component, k) => `  if (column + ${k}u < ${size}u) { ${text(k, component)} }`);
  return {
    bindings: { [`${name}_data`]: whole ? { operand, as: 'vec4<f32>' } : operand },
    functions: lines(
      access !== 'write' && lines(
        `fn read_${name}(row: u32, column: u32) -> vec4f {`,
        `  var v = vec4f(0);`,
        whole ? `  if (column < ${size}u) { v = ${name}_data[(row + column) / 4u]; }` : part((k, component) => `v.${component} = ${name}_data[row + column + ${k}u];`),
        `  return v;`,
        `}`,
      ),
      access !== 'read' && lines(
        `fn write_${name}(row: u32, column: u32, v: vec4f) {`,
        whole ? `  if (column < ${size}u) { ${name}_data[(row + column) / 4u] = v; }` : part((k, component) => `${name}_data[row + column + ${k}u] = v.${component};`),
        `}`,
      ),
    ),
  };
}

/** A tile in memory: how many rows there are, four floats of it, and what a row is multiplied by. */
export interface Source {
  readonly rows: string;
  readonly four: (row: string, column: string) => string;
  readonly scale?: (row: string) => string;
}

/** A side of a product: a tile whose rows or whose columns run along the depth. */
interface Side extends Source {
  readonly along: boolean;
}
export const byRows = (source: Source): Side => ({ ...source, along: true });
export const byColumns = (source: Source): Side => ({ ...source, along: false });

/** r[i, j] += Σ_k left[i, k]·right[k, j]. The left side may be the tile that `putTileRow` left in the pool, or its transpose. */
export interface Product {
  readonly left: Side | 'whole' | 'turned';
  readonly right: Side;
  readonly depth: number;
}

const xyzw = ['x', 'y', 'z', 'w'] as const;

/** Where row `row` of a right operand lies in the pool: those that 16 tx read together are neighbours. */
const RIGHT_SLOT = 'row % 4u * 16u + row / 4u';

/** Row i of the invocation. */
export const rowOf = (i: number): string => `(${HEIGHT}u * ty + ${i}u)`;

/** Text for each row of an invocation. */
export const eachRow = (text: (i: number) => string): string => repeat(HEIGHT, text);

/** `${r}0`, `${r}1`, …, zero. */
export const zero = (r: string): string => eachRow((i) => `  var ${r}${i} = vec4f(0);`);

/** Where row `row` of a left operand lies in the pool: those that all ty read together are neighbours. */
const leftSlot = (row: string): string => `${row} % ${HEIGHT}u * ${DOWN}u + ${row} / ${HEIGHT}u`;

/** The depth of a slice, and vectors from row to row of one in the pool. */
const SLICE = 16;
const STEP = SLICE / 4 + 1;
/** Where the left side's slice, or a whole tile in its place, lies in the pool, after the right side's slice: two workgroups must fit into 48 KiB. */
const LEFT = TILE * STEP;

/** The kernel: its declarations and the body of main, which knows `task`, `lane` and the invocation's place `tx`, `ty`. `whole`: whether a left side is a whole tile. */
export function tileKernel(declarations: readonly string[], body: string, whole = true): string {
  return lines(
    `var<workgroup> pool: array<vec4f, ${LEFT + TILE * (whole ? WHOLE_STEP : STEP)}>;`,
    declarations,
    `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
    `  let task = task_of(group);`,
    `  if (task >= TASKS) { return; }`,
    // of 32 lanes, eight lie side by side and four below each other, which reads least from the pool
    `  let tx = lane % 8u + lane / ${SIZE / 2}u * 8u;`,
    `  let ty = lane / 8u % ${DOWN}u;`,
    `  var next_left = vec4f(0);`,
    `  var next_right = vec4f(0);`,
    body,
    `}`,
  );
}

/** Text for the vector of each side's slice from k0 on that the invocation moves: the variable `next`, `row` of the source and `column` in fours. */
function eachMoved({ left, right }: Product, k0: string, text: (side: Side, next: string, isLeft: boolean) => string): string {
  return lines([left, right].flatMap((side, s) => {
    if (typeof side === 'string') return [];
    const place = side.along ? `let row = lane / ${SLICE / 4}u; let column = lane % ${SLICE / 4}u;` : `let row = ${k0} + lane / 16u; let column = lane % 16u;`;
    return [`    { ${place} ${text(side, s === 0 ? 'next_left' : 'next_right', s === 0)} }`];
  }));
}

/** Starts to read the slice of a product from k0 on, the first unless said. */
export function fetchSlice(product: Product, k0 = '0u'): string {
  return eachMoved(product, k0, ({ rows, four, along }, next) => `${next} = vec4f(0); if (row < ${rows}) { ${next} = ${four('row', along ? `(${k0} + 4u * column)` : '(4u * column)')}; }`);
}

/** Moves a slice that was read into the pool. */
function keepSlice(product: Product, k0: string): string {
  return eachMoved(product, k0, ({ scale, along }, next, isLeft) => {
    const at = along ? `(${isLeft ? leftSlot('row') : RIGHT_SLOT}) * ${STEP}u + column` : `(row - ${k0}) * 16u + column`;
    return `pool[${isLeft ? LEFT : 0}u + ${at}] = ${scale === undefined ? next : `${scale('row')} * ${next}`};`;
  });
}

/** The beginning of row i of the invocation in the left side's slice or whole tile. */
const rowInPool = (i: number, step: number): string => `pool[${LEFT + i * DOWN * step}u + ty * ${step}u`;

/** Adds a product to the results `r`. Its first slice is being read (`fetchSlice`); `next` starts to read what comes after it. */
export function addProduct(r: string, product: Product, next = ''): string {
  return lines(
    `  for (var k0 = 0u; k0 < ${product.depth}u; k0 += ${SLICE}u) {`,
    `    workgroupBarrier();`,
    keepSlice(product, 'k0'),
    `    workgroupBarrier();`,
    `    if (k0 + ${SLICE}u < ${product.depth}u) {`,
    fetchSlice(product, `(k0 + ${SLICE}u)`),
    next !== '' && lines(`    } else {`, next),
    `    }`,
    multiply(r, product),
    `  }`,
  );
}

/** Reads and adds a product. */
export function wholeProduct(r: string, product: Product): string {
  return lines(fetchSlice(product), addProduct(r, product));
}

/** Adds the product of the slice that is in the pool. */
function multiply(r: string, { left, right }: Product): string {
  const rows = eachRow((i) => `      let a${i} = ${left === 'whole' ? `${rowInPool(i, WHOLE_STEP)} + k0 / 4u` : rowInPool(i, STEP)} + k];`);
  // what the left side has for the rows of the invocation, at a step u of the depth
  const column = (u: number) => (left === 'turned' ? `${LEFT}u + (${leftSlot(`(k0 + 4u * k + ${u}u)`)}) * ${WHOLE_STEP}u` : `${LEFT}u + (4u * k + ${u}u) * 16u`);
  const text = left === 'turned' || (left !== 'whole' && !left.along)
    // columns of both run along the depth
    ? repeat(4, (u) => lines(
      `      let a${u} = pool[${column(u)} + ty];`,
      `      let b${u} = pool[(4u * k + ${u}u) * 16u + tx];`,
      eachRow((i) => `      ${r}${i} = fma(vec4f(a${u}.${xyzw[i]}), b${u}, ${r}${i});`),
    ))
    : right.along
      ? lines(rows, xyzw.map((c, u) => lines(
        `      let b${u} = pool[${u * 16 * STEP}u + tx * ${STEP}u + k];`,
        eachRow((i) => `      ${r}${i}.${c} = ${xyzw.reduce((sum, k) => `fma(a${i}.${k}, b${u}.${k}, ${sum})`, `${r}${i}.${c}`)};`),
      )))
      : lines(rows, repeat(4, (u) => lines(
        `      let b${u} = pool[${16 * u}u + k * 64u + tx];`,
        eachRow((i) => `      ${r}${i} = fma(vec4f(a${i}.${xyzw[u]}), b${u}, ${r}${i});`),
      )));
  return lines(`    for (var k = 0u; k < ${SLICE / 4}u; k++) {`, text, `    }`);
}

/** Leaves row i of a tile of results in the pool, after a barrier: the left side of a product. */
export function putTileRow(i: number, value: string): string {
  return `  ${rowInPool(i, WHOLE_STEP)} + tx] = ${value};`;
}

/**
 * After this, row_sum(n, row) is the sum over a whole row of the n-th number that invocations give for each of their rows, until the pool
 * is used again. One number leaves a whole tile in the pool as it is, three do not. Needs rowSumFunction.
 */
export const putRows = (...values: ((i: number) => string)[]): string => lines(
  `  workgroupBarrier();`,
  values.map((value, n) => `  pool[(${16 * n}u + ty) * 17u + tx] = vec4f(${[0, 1, 2, 3].map(value).join(', ')});`),
  `  workgroupBarrier();`,
);

export const rowSumFunction = lines(
  `fn row_sum(n: u32, row: u32) -> f32 {
  let first = (16u * n + row / 4u) * 17u;
  var sum = vec4f(0);`,
  repeat(16, (k) => `  sum += pool[first + ${k}u];`),
  `  return dot(sum, vec4f(vec4u(0, 1, 2, 3) == vec4u(row % 4u)));
}`,
);
