/** Matrix products by tiles in workgroup memory. */
import type { GpuKernel } from '../fused-op.ts';
import { beginner, destinationBindings, factorBindings, mapped, ofRow, reader, tileOfTask, writer, type Destination, type Factor, type MatMulOperands, type Product } from './matmul-operands.ts';
import { runOf, type Tiled } from './matmul-plan.ts';
import { lines, repeat } from './wgsl.ts';

/** p of one pass through the text of the inner loop, at most */
const UNROLL = 8;

/**
 * A workgroup sums one tile of C over its share of k. Both factors' tiles lie in workgroup memory as [depth][row or column], four neighbours to a vector, so that
 * each invocation reads what it multiplies as whole vectors and neighbours read neighbours. While it multiplies, the next tiles are already on their way into registers,
 * from where they go to the other of two places: one barrier a step.
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
  const whole = { a: m % tileRows === 0, b: n % tileColumns === 0 };
  const unroll = Math.min(UNROLL, depth);

  /** Which 4×4 block of a tile the unit u is: `line`, four rows or columns, and `step`, four of k. Neighbours follow the contiguous axis. */
  const block = (f: Factor, u: string): string =>
    f.across ? `let line = ${u} % ${count[f.name]}u; let step = ${u} / ${count[f.name]}u;` : `let step = ${u} % ${depth / 4}u; let line = ${u} / ${depth / 4}u;`;
  /** The invocation's block: those of A come first. */
  const ownBlock = (text: (f: Factor) => string): string =>
    lines(
      `    if (lane < ${blocks.a}u) { ${block(a, 'lane')} ${text(a)} }`,
      `    else if (lane < ${blocks.a + blocks.b}u) { ${block(b, `(lane - ${blocks.a}u)`)} ${text(b)} }`,
    );
  const eachVector = (text: (q: number) => string): string => [0, 1, 2, 3].map(text).join(' ');
  /** Where the q-th vector of a block is: its first row (or column), and its depth. */
  const place = ({ name, across }: Factor, from: string, q: number): readonly [string, string] => {
    const first = name === 'a' ? 'row0' : 'column0';
    return across ? [`${first} + line * 4u`, `${from} + step * 4u + ${q}u`] : [`${first} + line * 4u + ${q}u`, `${from} + step * 4u`];
  };
  const fetch = (from: string): string =>
    ownBlock((f) => lines(
      eachVector((q) => `next${q} = read_${f.name}(start_${f.name}, ${place(f, from, q).join(', ')});`),
      f.map !== undefined && eachVector((q) => `of_row${q} = ${ofRow(f, ...place(f, from, q), whole[f.name], wholeSteps)};`),
    ));
  const keep = (from: string): string =>
    ownBlock((f) => {
      const turned = (q: number) => (f.across ? `m${q}` : `vec4f(${eachVector((i) => `m${i}[${q}]${i < 3 ? ',' : ''}`)})`);
      return lines(
        eachVector((q) => `let m${q} = ${mapped(f, `next${q}`, `of_row${q}`, ...place(f, from, q))};`),
        [0, 1, 2, 3].map((q) => `      ${f.name}_tile[other * ${depth * pitch[f.name]}u + (step * 4u + ${q}u) * ${pitch[f.name]}u + line] = ${T}(${turned(q)});`),
      );
    });

  const quads = columns / 4;
  const more = to.epilogue.bias !== undefined || to.epilogue.addend !== undefined;
  const eachSum = (text: (sum: string, at: string) => string): string =>
    repeat(rows * quads, (s) => {
      const [i, j] = [Math.floor(s / quads), s % quads];
      return text(`sum${i}_${j}`, `start, row0 + (ty + ${(i >> 2) * high}u) * 4u + ${i & 3}u, column0 + (tx + ${j * wide}u) * 4u`);
    });
  const multiply = repeat(unroll, (q) =>
    lines(
      '      {',
      repeat(rows / 4, (i) => `        let left${i} = vec4f(a_tile[at_a + ${q * pitch.a + i * high}u]);`),
      repeat(quads, (j) => `        let right${j} = vec4f(b_tile[at_b + ${q * pitch.b + j * wide}u]);`),
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
      `var<workgroup> a_tile: array<${T}, ${2 * depth * pitch.a}>;`,
      `var<workgroup> b_tile: array<${T}, ${2 * depth * pitch.b}>;`,
      a.map?.functions,
      reader(a, whole.a, wholeSteps),
      reader(b, whole.b, wholeSteps),
      more && beginner(to, whole.a, whole.b),
      writer({ ...to, epilogue: {} }, whole.a, whole.b),
      `@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      tileOfTask({ a, b }, { rowTiles, columnTiles, tileRows, tileColumns, splits, run, k }),
      // of 32 neighbours, eight side by side and four below each other read least from workgroup memory
      high % 4 === 0 && wide % 8 === 0
        ? lines(`  let ty = lane / 8u % 4u + lane / ${4 * wide}u * 4u;`, `  let tx = lane % 8u + lane / 32u % ${wide / 8}u * 8u;`)
        : lines(`  let ty = lane / ${wide}u;`, `  let tx = lane % ${wide}u;`),
      `  let start = (split * ${batch}u + index) * ${(m * n) / to.width}u;`,
      eachSum((sum, at) => `  var ${sum} = ${more ? `begin_c(${at})` : 'vec4f(0)'};`),
      eachVector((q) => `  var next${q} = vec4f(0);${a.map === undefined ? '' : ` var of_row${q} = vec4f(0);`}`),
      `  var other = 0u;`,
      // the last share of a sum may be empty
      `  if (first < last) {`,
      fetch('first'),
      keep('first'),
      `  }`,
      `  workgroupBarrier();`,
      `  for (var depth = first; depth < last; depth += ${depth}u) {`,
      `    let next = depth + ${depth}u;`,
      `    if (next < last) {`,
      fetch('next'),
      `    }`,
      `    var at_a = other * ${depth * pitch.a}u + ty;`,
      `    var at_b = other * ${depth * pitch.b}u + tx;`,
      depth > unroll && `    for (var p = 0u; p < ${depth}u; p += ${unroll}u) {`,
      multiply,
      depth > unroll && lines(`      at_a += ${unroll * pitch.a}u;`, `      at_b += ${unroll * pitch.b}u;`, `    }`),
      `    other = 1u - other;`,
      `    if (next < last) {`,
      keep('next'),
      `    }`,
      `    workgroupBarrier();`,
      `  }`,
      eachSum((sum, at) => `  write_c(${at}, ${sum});`),
      `}`,
    ),
  };
}
