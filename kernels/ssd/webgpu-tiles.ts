/**
 * Pieces of WGSL for products of tiles. A result is a tile of 64 × 64, of which an invocation (ty, tx) has `height` rows from height·ty on
 * and columns 4tx … 4tx+3, in named vectors r0, r1, …. Operands pass through `pool` in slices of 16 or 32 of the depth.
 *
 * Tiles whose rows run along the depth lie in the pool row by row, an odd number of vectors apart, and with their rows in the
 * order in which a step of all invocations reads them: then no two lanes meet in a bank. Whoever writes to the pool begins with a barrier.
 */
import type { GpuBinding, GpuCapabilities, Operand } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';

/** Tokens, channels or state entries in a tile. */
export const TILE = 64;
/** vectors from row to row of a whole tile in the pool, and of the whole tile */
const WHOLE_STEP = TILE / 4 + 1;
const WHOLE = TILE * WHOLE_STEP;

/** How much of a product's depth passes through the pool at a time. */
const sliceOf = (depth: number) => (depth <= 16 ? 16 : 32);
const stepOf = (slice: number) => slice / 4 + 1;

/** Vectors in a pool for products of these depths, `tile` if one has a whole tile on its left. */
export function poolSize(depths: readonly number[], tile: boolean): number {
  const slice = Math.max(...depths.map(sliceOf));
  return Math.max(2 * TILE * stepOf(slice), (tile ? WHOLE : 0) + 16 * slice);
}

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

/** A tile in memory: how many rows there are, and four floats of it. */
export interface Source {
  readonly rows: string;
  readonly four: (row: string, column: string) => string;
}

/** Where row `row` of a right operand lies in the pool: those that 16 tx read together are neighbours. */
const RIGHT_SLOT = '(row % 4u) * 16u + row / 4u';

const inSlices = (depth: number, slice: number, fill: string, step: string): string => `  for (var k0 = 0u; k0 < ${depth}u; k0 += ${slice}u) {
    workgroupBarrier();
${fill}
    workgroupBarrier();
${step}
  }`;

const xyzw = ['x', 'y', 'z', 'w'] as const;

/** How a tile is shared among the invocations of a workgroup. */
export class Tiling {
  /** rows of an invocation, a multiple of four */
  readonly height: number;
  /** invocations */
  readonly size: number;

  /** Eight rows each read least from the pool; software adapters compile half the text sooner. */
  constructor(gpu: GpuCapabilities) {
    this.height = gpu.workgroupInvocations >= 512 ? 8 : 4;
    this.size = (TILE / this.height) * 16;
  }

  /** Names the invocation's place. Of 32 lanes, eight lie side by side and four below each other, which reads least from the pool. */
  place(): string {
    return `  let tx = lane % 8u + lane / ${this.size / 2}u * 8u;
  let ty = lane / 8u % ${TILE / this.height}u;`;
  }

  /** Row i of the invocation. */
  row(i: number): string {
    return `${this.height}u * ty + ${i}u`;
  }

  /** The four of the tile's rows that row i of the invocation is in. */
  four(i: number): string {
    return `${this.height / 4}u * ty + ${Math.floor(i / 4)}u`;
  }

  /** Text for each row of an invocation. */
  eachRow(text: (i: number) => string): string {
    return repeat(this.height, text);
  }

  /** `${r}0`, `${r}1`, …, zero. */
  zero(r: string): string {
    return this.eachRow((i) => `  var ${r}${i} = vec4f(0);`);
  }

  /** Fills pool[offset …] with rows of `slice` floats from k0 on. */
  #fillAlong(offset: number, slot: string, slice: number, { rows, four }: Source): string {
    return `    for (var e = lane; e < ${TILE * (slice / 4)}u; e += ${this.size}u) {
      let row = e / ${slice / 4}u;
      let column = e % ${slice / 4}u;
      var v = vec4f(0);
      if (row < ${rows}) { v = ${four('row', '(k0 + 4u * column)')}; }
      pool[${offset}u + (${slot}) * ${stepOf(slice)}u + column] = v;
    }`;
  }

  /** Fills pool[offset …] with `slice` rows from k0 on, of 64 floats. */
  #fillAcross(offset: number, slice: number, { rows, four }: Source): string {
    return `    for (var e = lane; e < ${16 * slice}u; e += ${this.size}u) {
      let row = k0 + e / 16u;
      let column = e % 16u;
      var v = vec4f(0);
      if (row < ${rows}) { v = ${four('row', '(4u * column)')}; }
      pool[${offset}u + e] = v;
    }`;
  }

  /** Where row `row` of a left operand lies in the pool: those that all ty read together are neighbours. */
  #leftSlot(): string {
    return `row % ${this.height}u * ${TILE / this.height}u + row / ${this.height}u`;
  }

  #left(i: number, step: number): string {
    return `pool[(${(i * TILE) / this.height}u + ty) * ${step}u`;
  }

  /** r[i, j] += Σ_k a[i, k]·b[j, k]: rows of both run along the depth. */
  productOfRows(r: string, a: Source, b: Source, depth: number): string {
    const slice = sliceOf(depth);
    const step = stepOf(slice);
    return inSlices(
      depth, slice, lines(this.#fillAlong(0, this.#leftSlot(), slice, a), this.#fillAlong(TILE * step, RIGHT_SLOT, slice, b)),
      lines(
        `    for (var k = 0u; k < ${slice / 4}u; k++) {`,
        this.eachRow((i) => `      let a${i} = ${this.#left(i, step)} + k];`),
        repeat(4, (j) => lines(`      let b${j} = pool[${TILE * step + j * 16 * step}u + tx * ${step}u + k];`, this.eachRow((i) => `      ${r}${i}.${xyzw[j]} += dot(a${i}, b${j});`))),
        `    }`,
      ),
    );
  }

  /** r[i, j] += Σ_k a[i, k]·b[k, j]. Without `a`, it is the tile that `putRow` left in the pool. */
  productOfColumns(r: string, a: Source | undefined, b: Source, depth: number): string {
    const slice = sliceOf(depth);
    const step = a === undefined ? WHOLE_STEP : stepOf(slice);
    return inSlices(
      depth, slice, lines(a !== undefined && this.#fillAlong(0, this.#leftSlot(), slice, a), this.#fillAcross(TILE * step, slice, b)),
      lines(
        `    for (var k = 0u; k < ${slice / 4}u; k++) {`,
        repeat(4, (u) => `      let b${u} = pool[${TILE * step + 16 * u}u + k * 64u + tx];`),
        this.eachRow((i) => lines(
          `      let a${i} = ${this.#left(i, step)} + k${a === undefined ? ' + k0 / 4u' : ''}];`,
          `      ${r}${i} += ${xyzw.map((k, u) => `a${i}.${k} * b${u}`).join(' + ')};`,
        )),
        `    }`,
      ),
    );
  }

  /** r[i, j] += Σ_k a[k, i]·b[k, j]: columns of both run along the depth, 64 at most. */
  productOfBoth(r: string, a: Source, b: Source, depth: number): string {
    const slice = sliceOf(depth);
    const fours = this.height / 4;
    return inSlices(
      depth, slice, lines(this.#fillAcross(0, slice, a), this.#fillAcross(16 * slice, slice, b)),
      lines(
        `    for (var k = 0u; k < ${slice}u; k++) {`,
        repeat(fours, (q) => `      let left${q} = pool[k * 16u + ${fours}u * ty + ${q}u];`),
        `      let right = pool[${16 * slice}u + k * 16u + tx];`,
        this.eachRow((i) => `      ${r}${i} += left${Math.floor(i / 4)}.${xyzw[i % 4]} * right;`),
        `    }`,
      ),
    );
  }

  /** Leaves row i of a tile of results in the pool, after a barrier: the left side of a product. */
  putRow(i: number, value: string): string {
    return `  ${this.#left(i, WHOLE_STEP)} + tx] = ${value};`;
  }

  /** After this, row_sum(row) is the sum over a whole row of what invocations give, until the next. Needs rowSumFunctions. */
  putRows(value: (i: number) => string): string {
    return lines(`  workgroupBarrier();`, this.eachRow((i) => `  partials[(${this.row(i)}) * 17u + tx] = ${value(i)};`), `  workgroupBarrier();`);
  }
}

/** Sums over the columns of a tile, one number from each row of each invocation. */
export const rowSumFunctions = `var<workgroup> partials: array<f32, ${TILE * 17}>;
fn row_sum(row: u32) -> f32 {
  var sum = 0f;
  for (var k = 0u; k < 16u; k++) { sum += partials[row * 17u + k]; }
  return sum;
}`;
