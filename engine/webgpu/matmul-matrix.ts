/** Matrix products by subgroup matrices: float16 factors, float32 sums. */
import type { GpuKernel } from '../fused-op.ts';
import { destinationBindings, factorBindings, mapped, ofRow, reader, tileOfTask, writer, type Destination, type Factor, type MatMulOperands, type Product } from './matmul-operands.ts';
import { runOf, type Matrix } from './matmul-plan.ts';
import { lines, repeat } from './wgsl.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/**
 * A workgroup sums one tile of C over its share of k. Both factors' tiles become float16 on their way into workgroup memory, where they lie as they do in memory
 * (a matrix is loaded by rows or by columns), four neighbours to a vector. Offsets and strides of matrices count elements of the array, which are vectors here.
 * Where C takes the sums as they are, matrices are stored to it; elsewhere they pass through workgroup memory, one for each subgroup at a time.
 */
export function matrixKernel({ a, b }: MatMulOperands, product: Product, plan: Matrix, to: Destination): GpuKernel {
  const { batch, m, n, k } = product;
  const { size, rows, columns, high, wide, lanes, depth, splits } = plan;
  const [tileRows, tileColumns] = [size * rows * high, size * columns * wide];
  const [rowTiles, columnTiles] = [Math.ceil(m / tileRows), Math.ceil(n / tileColumns)];
  const invocations = high * wide * lanes;
  const run = runOf(k, plan);
  const wholeSteps = k % depth === 0;
  const whole = { a: m % tileRows === 0, b: n % tileColumns === 0 };
  const quad = size / 4;
  const tiles = [a, b].map((f) => {
    const tile = f.name === 'a' ? tileRows : tileColumns;
    /** vectors of a line, and from one line to the next: 16 bytes more keep eight rows of a matrix in different banks */
    const count = (f.across ? tile : depth) / 4;
    return { f, count, pitch: count + 2, lines: f.across ? depth : tile, loads: Math.ceil((tile * depth) / 4 / invocations), whole: (tile * depth) / 4 % invocations === 0 };
  });
  type Tile = (typeof tiles)[number];
  const each = (text: (t: Tile, r: number) => string): string =>
    tiles
      .flatMap((t) =>
        range(t.loads).map((r) =>
          lines(
            `    {`,
            `      let u = lane + ${r * invocations}u;`,
            `      let line = u / ${t.count}u;`,
            `      let vector = u % ${t.count}u;`,
            `      ${t.whole ? '' : `if (line < ${t.lines}u) `}{ ${text(t, r)} }`,
            `    }`,
          ),
        ),
      )
      .join('\n');
  /** Rows (or columns) and depth of the vector that an invocation moves. */
  const place = ({ name, across }: Factor, from: string): readonly [string, string] => {
    const first = name === 'a' ? 'row0' : 'column0';
    return across ? [`${first} + vector * 4u`, `${from} + line`] : [`${first} + line`, `${from} + vector * 4u`];
  };
  // what is mapped waits in float32
  const waiting = (f: Factor): string => (f.map === undefined ? 'vec4<f16>' : 'vec4f');
  const fetch = (from: string): string =>
    each(({ f }, r) => {
      const value = `next_${f.name}${r} = ${waiting(f)}(read_${f.name}(start_${f.name}, ${place(f, from).join(', ')}));`;
      return f.map === undefined ? value : `${value} row_${f.name}${r} = ${ofRow(f, ...place(f, from), whole[f.name], wholeSteps)};`;
    });
  const keep = (from: string): string =>
    each(({ f, pitch }, r) => `${f.name}_tile[line * ${pitch}u + vector] = vec4<f16>(${mapped(f, `next_${f.name}${r}`, `row_${f.name}${r}`, ...place(f, from))});`);

  /** Loads matrix i of the subgroup's rows (or columns) at depth p. */
  const load = ({ f: { name, across }, pitch }: Tile, i: number, p: number): string => {
    const [kind, at, layout] =
      name === 'a' ? (['left', `sg_row * ${rows}u + ${i}u`, across ? 'col_major' : 'row_major'] as const) : (['right', `sg_column * ${columns}u + ${i}u`, across ? 'row_major' : 'col_major'] as const);
    const start = across ? `${p * pitch}u + (${at}) * ${quad}u` : `(${at}) * ${size * pitch}u + ${p / 4}u`;
    return `subgroupMatrixLoad<subgroup_matrix_${kind}<f16, ${size}, ${size}>, ${layout}>(&${name}_tile, ${start}, ${pitch}u)`;
  };
  const multiply = repeat(depth / size, (s) =>
    lines(
      '    {',
      repeat(rows, (i) => `      let left${i} = ${load(tiles[0], i, s * size)};`),
      repeat(columns, (j) => `      let right${j} = ${load(tiles[1], j, s * size)};`),
      repeat(rows * columns, (e) => {
        const [i, j] = [Math.floor(e / columns), e % columns];
        return `      sum${i}_${j} = subgroupMatrixMultiplyAccumulate(left${i}, right${j}, sum${i}_${j});`;
      }),
      '    }',
    ),
  );

  const { epilogue, width } = to;
  const direct = epilogue.bias === undefined && width === 4 && whole.a && whole.b;
  const result = `subgroup_matrix_result<f32, ${size}, ${size}>`;
  const eachSum = (text: (sum: string, row: string, column: string) => string): string =>
    repeat(rows * columns, (e) => {
      const [i, j] = [Math.floor(e / columns), e % columns];
      return text(`sum${i}_${j}`, `row0 + (sg_row * ${rows}u + ${i}u) * ${size}u`, `column0 + (sg_column * ${columns}u + ${j}u) * ${size}u`);
    });
  const at = (row: string, column: string): string => `start + (${row}) * ${n / 4}u + (${column}) / 4u`;
  // as with tiles: sums begin with what is added to them
  const begin = (row: string, column: string): string => (direct && epilogue.addend !== undefined ? `subgroupMatrixLoad<${result}, row_major>(&addend, ${at(row, column)}, ${n / 4}u)` : `${result}()`);
  const store = eachSum((sum, row, column) => {
    if (direct) return `  subgroupMatrixStore<row_major>(&c, ${at(row, column)}, ${sum}, ${n / 4}u);`;
    return lines(
      `  subgroupMatrixStore<row_major>(&out, sg * ${size * quad}u, ${sum}, ${quad}u);`,
      `  workgroupBarrier();`,
      `  for (var u = sg_lane; u < ${size * quad}u; u += ${lanes}u) { write_c(start, ${row} + u / ${quad}u, ${column} + u % ${quad}u * 4u, out[sg * ${size * quad}u + u]); }`,
      `  workgroupBarrier();`,
    );
  });

  return {
    name: splits === 1 ? 'matmul_f16' : 'matmul_f16_split',
    bindings: { ...factorBindings({ a, b }), ...destinationBindings(to) },
    tasks: batch * splits * rowTiles * columnTiles,
    code: lines(
      'enable f16;',
      'enable subgroups;',
      'enable chromium_experimental_subgroup_matrix;',
      repeat(2, (i) => `var<workgroup> ${tiles[i].f.name}_tile: array<vec4<f16>, ${tiles[i].lines * tiles[i].pitch}>;`),
      !direct && `var<workgroup> out: array<vec4f, ${high * wide * size * quad}>;`,
      a.map?.functions,
      reader(a, whole.a, wholeSteps),
      reader(b, whole.b, wholeSteps),
      !direct && writer(to, whole.a, whole.b),
      `@compute @workgroup_size(${invocations}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) sg: u32, @builtin(subgroup_invocation_id) sg_lane: u32) {`,
      tileOfTask({ a, b }, { rowTiles, columnTiles, tileRows, tileColumns, splits, run, k }),
      `  let sg_row = sg / ${wide}u;`,
      `  let sg_column = sg % ${wide}u;`,
      `  let start = (split * ${batch}u + index) * ${(m * n) / width}u;`,
      eachSum((sum, row, column) => `  var ${sum} = ${begin(row, column)};`),
      tiles.flatMap(({ f, loads }) => range(loads).map((r) => `  var next_${f.name}${r}: ${waiting(f)};${f.map === undefined ? '' : ` var row_${f.name}${r}: vec4f;`}`)),
      `  for (var depth = first; ; depth += ${depth}u) {`,
      `    if (depth < last) {`,
      fetch('depth'),
      `    }`,
      `    if (depth > first) {`,
      multiply,
      `    }`,
      `    if (depth >= last) { break; }`,
      `    workgroupBarrier();`,
      keep('depth'),
      `    workgroupBarrier();`,
      `  }`,
      store,
      `}`,
    ),
  };
}
