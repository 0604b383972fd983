/** Matrix products by tiles in workgroup memory. */
import type { GpuKernel } from '../fused-op.ts';
import { destinationBindings, factorBindings, reader, tileOfTask, writer, type Destination, type Factor, type MatMulOperands, type Product } from './matmul-operands.ts';
import { rounds, runOf, type Tiled } from './matmul-plan.ts';
import { lines, repeat } from './wgsl.ts';

/** p of one pass through the text of the inner loop */
const UNROLL = 4;

/**
 * A workgroup sums one tile of C over its share of k. Both factors' tiles lie in workgroup memory as [depth][row or column], four neighbours to a vector, so that
 * each invocation reads what it multiplies as whole vectors and neighbours read neighbours. While it multiplies, the next tiles are already on their way into registers.
 */
export function tiledKernel({ a, b }: MatMulOperands, product: Product, plan: Tiled, to: Destination): GpuKernel {
  const { batch, m, n, k } = product;
  const { rows, columns, high, wide, depth, splits, half } = plan;
  const [tileRows, tileColumns] = [rows * high, columns * wide];
  const [rowTiles, columnTiles] = [Math.ceil(m / tileRows), Math.ceil(n / tileColumns)];
  const size = high * wide;
  const run = runOf(k, plan);
  const wholeSteps = k % depth === 0;
  const T = half ? 'vec4<f16>' : 'vec4f';
  const count = { a: tileRows / 4, b: tileColumns / 4 };
  const pitch = { a: count.a + (a.across ? 0 : 1), b: count.b + (b.across ? 0 : 1) };
  const blocks = { a: (count.a * depth) / 4, b: (count.b * depth) / 4 };
  const loads = rounds(plan);

  /** Which 4×4 block of a tile the unit u is: `line`, four rows or columns, and `step`, four of k. Neighbours follow the contiguous axis. */
  const block = (f: Factor, u: string): string =>
    f.across ? `let line = ${u} % ${count[f.name]}u; let step = ${u} / ${count[f.name]}u;` : `let step = ${u} % ${depth / 4}u; let line = ${u} / ${depth / 4}u;`;
  /** The invocation's r-th block: those of A come first. */
  const perBlock = (r: number, text: (f: Factor, u: string) => string): string =>
    lines(
      `    {`,
      `      let u = lane + ${r * size}u;`,
      `      if (u < ${blocks.a}u) { ${text(a, 'u')} }`,
      `      else if (u < ${blocks.a + blocks.b}u) { ${text(b, `(u - ${blocks.a}u)`)} }`,
      `    }`,
    );
  const fetch = (from: string): string =>
    repeat(loads, (r) =>
      perBlock(r, (f, u) => {
        const first = f.name === 'a' ? 'row0' : 'column0';
        const at = (q: number) => (f.across ? `${first} + line * 4u, ${from} + step * 4u + ${q}u` : `${first} + line * 4u + ${q}u, ${from} + step * 4u`);
        return `${block(f, u)} ${[0, 1, 2, 3].map((q) => `next${r}_${q} = read_${f.name}(start_${f.name}, ${at(q)});`).join(' ')}`;
      }),
    );
  const keep = repeat(loads, (r) =>
    perBlock(r, (f, u) => {
      const value = (q: number) => (f.across ? `next${r}_${q}` : `vec4f(${[0, 1, 2, 3].map((i) => `next${r}_${i}[${q}]`).join(', ')})`);
      return `${block(f, u)} ${[0, 1, 2, 3].map((q) => `${f.name}_tile[(step * 4u + ${q}u) * ${pitch[f.name]}u + line] = ${T}(${value(q)});`).join(' ')}`;
    }),
  );

  const quads = columns / 4;
  const multiply = repeat(UNROLL, (q) =>
    lines(
      '      {',
      repeat(rows / 4, (i) => `        let left${i} = vec4f(a_tile[(p + ${q}u) * ${pitch.a}u + ty + ${i * high}u]);`),
      repeat(quads, (j) => `        let right${j} = vec4f(b_tile[(p + ${q}u) * ${pitch.b}u + tx + ${j * wide}u]);`),
      repeat(rows * quads, (s) => {
        const [i, j] = [Math.floor(s / quads), s % quads];
        return `        sum${i}_${j} = fma(vec4f(left${i >> 2}[${i & 3}]), right${j}, sum${i}_${j});`;
      }),
      '      }',
    ),
  );

  return {
    name: splits === 1 ? 'matmul' : 'matmul_split',
    bindings: { ...factorBindings({ a, b }), ...destinationBindings(to) },
    tasks: batch * splits * rowTiles * columnTiles,
    code: lines(
      half && 'enable f16;',
      `var<workgroup> a_tile: array<${T}, ${depth * pitch.a}>;`,
      `var<workgroup> b_tile: array<${T}, ${depth * pitch.b}>;`,
      reader(a, m % tileRows === 0, wholeSteps),
      reader(b, n % tileColumns === 0, wholeSteps),
      writer(to, m % tileRows === 0, n % tileColumns === 0),
      `@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      tileOfTask({ a, b }, { rowTiles, columnTiles, tileRows, tileColumns, splits, run, k }),
      `  let ty = lane / ${wide}u;`,
      `  let tx = lane % ${wide}u;`,
      repeat(rows * quads, (s) => `  var sum${Math.floor(s / quads)}_${s % quads} = vec4f(0);`),
      repeat(4 * loads, (s) => `  var next${s >> 2}_${s & 3} = vec4f(0);`),
      `  for (var depth = first; ; depth += ${depth}u) {`,
      `    if (depth < last) {`,
      fetch('depth'),
      `    }`,
      `    if (depth > first) {`,
      `      for (var p = 0u; p < ${depth}u; p += ${UNROLL}u) {`,
      multiply,
      `      }`,
      `    }`,
      `    if (depth >= last) { break; }`,
      `    workgroupBarrier();`,
      keep,
      `    workgroupBarrier();`,
      `  }`,
      `  let start = (split * ${batch}u + index) * ${(m * n) / to.width}u;`,
      repeat(rows * quads, (s) => {
        const [i, j] = [Math.floor(s / quads), s % quads];
        return `  write_c(start, row0 + (ty + ${(i >> 2) * high}u) * 4u + ${i & 3}u, column0 + (tx + ${j * wide}u) * 4u, sum${i}_${j});`;
      }),
      `}`,
    ),
  };
}
