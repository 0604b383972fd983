/** How kernels of matrix products read op(A) and op(B), and how they write C: WGSL functions, with all bounds in them. */
import type { GpuBinding, Operand } from '../fused-op.ts';
import type { MatMul } from '../graph/graph.ts';
import { PlacedOperand } from '../graph/lowering.ts';
import { lines, repeat } from './wgsl.ts';

/** C[b] = op(A[b])·op(B[b]); operands contiguous, sizes as in the graph. */
export type Product = Omit<MatMul, 'epilogue'>;

/** What is added to the product. */
export interface MatMulEpilogue {
  /** [n], to every row */
  readonly bias?: Operand;
  /** the shape of C; may be C itself */
  readonly addend?: Operand;
}

/** Elements that are read or written as one: as many as divide every row. */
export type Width = 1 | 2 | 4;

export const widthOf = (...lengths: readonly number[]): Width => ([4, 2] as const).find((w) => lengths.every((l) => l % w === 0)) ?? 1;

export const vector = (width: Width): string => (width === 1 ? 'f32' : `vec${width}f`);

export const bind = (operand: Operand, width: Width): GpuBinding => (width === 1 ? operand : { operand, as: width === 2 ? 'vec2<f32>' : 'vec4<f32>' });

/** What a product's first factor is made of on its way into the product, instead of being written to memory first. */
export interface FactorMap {
  readonly bindings: Readonly<Record<string, GpuBinding>>;
  /** WGSL */
  readonly functions: string;
  /** what a row of A as it lies in memory needs, a vec4f: read along with the row's values */
  readonly ofRow: (row: string) => string;
  /** of four neighbours of such a row: finite for every finite `value`, even beyond the end of the row */
  readonly four: (value: string, ofRow: string, column: string) => string;
}

/** A factor as a kernel reads it. `extent` is m for A and n for B. */
export interface Factor {
  readonly name: 'a' | 'b';
  readonly operand: Operand;
  readonly extent: number;
  readonly k: number;
  /** the axis m or n, not k, is contiguous in memory */
  readonly across: boolean;
  /** elements between the batch's products */
  readonly stride: number;
  readonly width: Width;
  readonly map?: FactorMap;
}

/** All that a product reads and writes, with the width of each. */
export interface MatMulOperands {
  readonly a: Factor;
  readonly b: Factor;
  readonly c: Operand;
  readonly epilogue: MatMulEpilogue;
  /** of C, bias and addend */
  readonly width: Width;
}

/** Whether two operands are one tensor: then they must be bound as one type. */
const same = (x: Operand, y: Operand): boolean => x === y || (x instanceof PlacedOperand && y instanceof PlacedOperand && x.place === y.place);

export function operandsOf(a: Operand, b: Operand, c: Operand, { m, n, k, transposeA, transposeB, strideA, strideB }: Product, epilogue: MatMulEpilogue, map?: FactorMap): MatMulOperands {
  const groups = [
    { operands: [a], width: widthOf(transposeA ? m : k, strideA) },
    { operands: [b], width: widthOf(transposeB ? k : n, strideB) },
    { operands: [epilogue.bias, epilogue.addend].filter((o) => o !== undefined), width: widthOf(n) },
  ];
  const narrowest = (i: number): Width => widthOf(...groups.filter((g) => g === groups[i] || g.operands.some((x) => groups[i].operands.some((y) => same(x, y)))).map((g) => g.width));
  // twice: what is shared by two groups narrows a third through one of them
  for (let pass = 0; pass < 2; pass++) groups.forEach((g, i) => (g.width = narrowest(i)));
  return {
    a: { name: 'a', operand: a, extent: m, k, across: transposeA, stride: strideA, width: groups[0].width, ...(map && { map }) },
    b: { name: 'b', operand: b, extent: n, k, across: !transposeB, stride: strideB, width: groups[1].width },
    c,
    epilogue,
    width: groups[2].width,
  };
}

/**
 * `fn read_a(start: u32, i: u32, p: u32) -> vec4f`: four elements of op(A) along the axis that is contiguous, from row i and depth p, where `start` is
 * the product's place in the batch over the width. Beyond k there are zeros; beyond the last row there is anything, since nobody stores those sums.
 * `wholeTiles`: i never exceeds the extent; `wholeSteps`: p never exceeds k.
 */
export function reader({ name, extent, k, across, width }: Factor, wholeTiles: boolean, wholeSteps: boolean): string {
  const pieces = 4 / width;
  const T = vector(width);
  const [length, along, fixed, most, whole] = across ? [extent, 'i', 'p', k, wholeTiles] : [k, 'p', 'i', extent, wholeSteps];
  const other = (across ? wholeSteps : wholeTiles) ? fixed : `min(${fixed}, ${most - 1}u)`;
  const at = (j: number) => `${along} / ${width}u + ${j}u`;
  const piece = (j: number): string => {
    const value = `${name}[line + ${whole ? at(j) : `min(${at(j)}, ${length / width - 1}u)`}]`;
    const inside = wholeSteps ? undefined : across ? `p < ${k}u` : `p + ${j * width}u < ${k}u`;
    return inside === undefined ? value : `select(${T}(0), ${value}, ${inside})`;
  };
  return lines(
    `fn read_${name}(start: u32, i: u32, p: u32) -> vec4f {`,
    `  let line = start + ${other} * ${length / width}u;`,
    `  return vec4f(${Array.from({ length: pieces }, (_, j) => piece(j)).join(', ')});`,
    `}`,
  );
}

/** What the map needs for the value that is read at (i, p), to be read with it: no invocation waits for anything before it has worked at what came before. */
export const ofRow = ({ extent, k, across, map }: Factor, i: string, p: string, wholeTiles: boolean, wholeSteps: boolean): string => {
  const [row, most, whole] = across ? [p, k, wholeSteps] : [i, extent, wholeTiles];
  return map!.ofRow(whole ? row : `min(${row}, ${most - 1}u)`);
};

/** What the product takes for `value`, which was read at (i, p) together with `row`. */
export const mapped = ({ across, map }: Factor, value: string, row: string, i: string, p: string): string => (map === undefined ? value : map.four(value, row, across ? i : p));

/** Where C goes, or where a share of its sums goes: [splits, batch, m, n]. */
export interface Destination {
  readonly operand: Operand;
  readonly epilogue: MatMulEpilogue;
  readonly width: Width;
  readonly m: number;
  readonly n: number;
}

export const factorBindings = ({ a, b }: Pick<MatMulOperands, 'a' | 'b'>): Record<string, GpuBinding> => ({ a: bind(a.operand, a.width), b: bind(b.operand, b.width), ...a.map?.bindings });

export const destinationBindings = ({ operand, epilogue: { bias, addend }, width }: Destination): Record<string, GpuBinding> => ({
  c: bind(operand, width),
  ...(bias === undefined ? {} : { bias: bind(bias, width) }),
  ...(addend === undefined ? {} : { addend: bind(addend, width) }),
});

/** The value stored at `at` (in units of the width) whose column is `column` (likewise): the sum, if any, and what is added to it. */
export const stored = (sum: string | undefined, at: string, column: string, { bias, addend }: MatMulEpilogue): string =>
  [sum, bias !== undefined && `bias[${column}]`, addend !== undefined && `addend[${at}]`].filter(Boolean).join(' + ');

/**
 * `fn begin_c(start: u32, row: u32, column: u32) -> vec4f`: what is added to four neighbours of C, for sums to begin with: all that an invocation reads is on its
 * way together, while between the writes of results it would wait for each read. Beyond the edges there is anything.
 */
export function beginner({ epilogue, width, m, n }: Destination, wholeRows: boolean, wholeColumns: boolean): string {
  const unit = (j: number) => (wholeColumns ? `unit + ${j}u` : `min(unit + ${j}u, ${n / width - 1}u)`);
  const parts = Array.from({ length: 4 / width }, (_, j) => stored(undefined, `line + ${unit(j)}`, unit(j), epilogue));
  return lines(
    `fn begin_c(start: u32, row: u32, column: u32) -> vec4f {`,
    `  let unit = column / ${width}u;`,
    `  let line = start + ${wholeRows ? 'row' : `min(row, ${m - 1}u)`} * ${n / width}u;`,
    `  return vec4f(${parts.join(', ')});`,
    `}`,
  );
}

/** `fn write_c(start: u32, row: u32, column: u32, sum: vec4f)`: four neighbours of C, as far as they exist; `start` in units of the width. */
export function writer({ epilogue, width, m, n }: Destination, wholeRows: boolean, wholeColumns: boolean): string {
  const parts = { 4: ['sum'], 2: ['sum.xy', 'sum.zw'], 1: ['sum.x', 'sum.y', 'sum.z', 'sum.w'] }[width];
  return lines(
    `fn write_c(start: u32, row: u32, column: u32, sum: vec4f) {`,
    !wholeRows && `  if (row >= ${m}u) { return; }`,
    `  let unit = column / ${width}u;`,
    `  let at = start + row * ${n / width}u + unit;`,
    repeat(parts.length, (j) => `  ${wholeColumns ? '' : `if (column + ${j * width}u < ${n}u) `}{ c[at + ${j}u] = ${stored(parts[j], `at + ${j}u`, `unit + ${j}u`, epilogue)}; }`),
    `}`,
  );
}

/**
 * The beginning of a kernel with a workgroup for each tile of C and share of k: where its tile is (`row0`, `column0`), which product of the
 * batch (`index`, `start_a`, `start_b`), and its k (`first` … `last` − 1 of share `split`).
 */
export function tileOfTask(
  { a, b }: Pick<MatMulOperands, 'a' | 'b'>,
  { rowTiles, columnTiles, tileRows, tileColumns, splits, run, k }: Readonly<Record<'rowTiles' | 'columnTiles' | 'tileRows' | 'tileColumns' | 'splits' | 'run' | 'k', number>>,
): string {
  return `  let task = task_of(group);
  if (task >= TASKS) { return; }
  let column0 = task % ${columnTiles}u * ${tileColumns}u;
  let row0 = task / ${columnTiles}u % ${rowTiles}u * ${tileRows}u;
  let split = task / ${columnTiles * rowTiles}u % ${splits}u;
  let index = task / ${columnTiles * rowTiles * splits}u;
  let start_a = index * ${a.stride / a.width}u;
  let start_b = index * ${b.stride / b.width}u;
  let first = split * ${run}u;
  let last = min(first + ${run}u, ${k}u);`;
}
