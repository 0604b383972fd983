/**
 * The transform of the long convolution (op.ts tells the idea) in WGSL: a workgroup takes a tile of points × neighbouring columns through it in
 * workgroup memory, up to three halvings at a time in registers.
 */
import type { GpuBinding, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';

/** Points of the longest transform that one workgroup does. */
export const LONGEST = 1024;
/** Complex numbers of a tile, 16 KiB: two workgroups fit a core. Long tiles are at least four columns wide, which is 32 KiB. */
const TILE = 2048;
const MOST_COLUMNS = 64;

/** Nodes that are to be transformed: each has `points` elements, `stride` apart, for each of `width` columns that lie side by side. */
export interface Nodes {
  readonly points: number;
  readonly stride: number;
  readonly width: number;
  /** how many there are in a sequence, one after the other: all nodes of a level of the tree, a power of two */
  readonly count: number;
}

/** A kernel that transforms nodes of many sequences. In its texts `index` is an element's place in its sequence, and `sequence` the number of that. */
export interface TransformKernel {
  readonly name: string;
  readonly nodes: Nodes;
  readonly sequences: number;
  readonly bindings: Readonly<Record<string, GpuBinding>>;
  /** the complex number to begin with */
  readonly load: string;
  /** from elements of the ring to values at roots */
  readonly forward: boolean;
  /** a statement on `v`, an element of the spectrum */
  readonly middle?: string;
  /** and back, times the number of points */
  readonly inverse: boolean;
  /** a statement that takes `v` */
  readonly store: string;
}

const half = f32(Math.SQRT1_2);
/** v·e^{2πi·turns/8}, turns 0 … 3, and v·e^{−2πi·turns/8} */
const ahead = [(v: string) => v, (v: string) => `${half} * vec2f(${v}.x - ${v}.y, ${v}.x + ${v}.y)`, (v: string) => `vec2f(-${v}.y, ${v}.x)`, (v: string) => `${half} * vec2f(-${v}.x - ${v}.y, ${v}.x - ${v}.y)`];
const back = [(v: string) => v, (v: string) => `${half} * vec2f(${v}.x + ${v}.y, ${v}.y - ${v}.x)`, (v: string) => `vec2f(${v}.y, -${v}.x)`, (v: string) => `${half} * vec2f(${v}.y - ${v}.x, -${v}.x - ${v}.y)`];

/** Text for cᵏ, k < radix, with c = e^{2πif/radix}, as w1, w2, …. */
function rootsText(radix: number): string {
  const first = { 2: ['let a = root(f);', 'let b = square(a);', 'let w1 = square(b);'], 4: ['let a = root(f);', 'let w1 = square(a);'], 8: ['let w1 = root(f);'] }[radix]!;
  const higher = Array.from({ length: radix - 2 }, (_, i) => i + 2).map((k) => (k % 2 === 0 ? `let w${k} = square(w${k / 2});` : `let w${k} = mul(w${k - 1}, w1);`));
  return [...first, ...higher].map((l) => `    ${l}`).join('\n');
}

/** The pairs (i, j) of a discrete Fourier transform by halves, and by how many eighths of a turn j then goes on. */
function pairs(radix: number): { i: number; j: number; turn: number }[] {
  const all: { i: number; j: number; turn: number }[] = [];
  for (let length = radix; length > 1; length /= 2) {
    for (let start = 0; start < radix; start += length) {
      for (let k = 0; k < length / 2; k++) all.push({ i: start + k, j: start + k + length / 2, turn: (8 / length) * k });
    }
  }
  return all;
}

/** Text that takes v0, v1, … from the parts of a node to its children, which are in bit-reversed order. */
function splitText(radix: number): string {
  return lines(
    repeat(radix - 1, (k) => `    v${k + 1} = mul(v${k + 1}, w${k + 1});`),
    pairs(radix).map(({ i, j, turn }) => `    t = v${i} - v${j}; v${i} += v${j}; v${j} = ${ahead[turn]('t')};`),
  );
}

/** The inverse of splitText, times the radix. */
function joinText(radix: number): string {
  return lines(
    pairs(radix).reverse().map(({ i, j, turn }) => `    t = ${back[turn](`v${j}`)}; v${j} = v${i} - t; v${i} += t;`),
    repeat(radix - 1, (k) => `    v${k + 1} = mul_conjugate(v${k + 1}, w${k + 1});`),
  );
}

/** e^{2πif/8} for 0 ≤ f < 1 by Taylor's series (the angle is below π/4), and complex products. */
const functions = `
fn root(f: f32) -> vec2f {
  let x = ${f32(Math.PI / 4)} * f;
  let y = x * x;
  let sine = x * (1 + y * (${f32(-1 / 6)} + y * (${f32(1 / 120)} + y * (${f32(-1 / 5040)} + y * ${f32(1 / 362880)}))));
  let cosine = 1 + y * (-0.5 + y * (${f32(1 / 24)} + y * (${f32(-1 / 720)} + y * (${f32(1 / 40320)} + y * ${f32(-1 / 3628800)}))));
  return vec2f(cosine, sine);
}
fn mul(a: vec2f, b: vec2f) -> vec2f { return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
fn mul_conjugate(a: vec2f, b: vec2f) -> vec2f { return vec2f(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y); }
fn square(a: vec2f) -> vec2f { return vec2f((a.x - a.y) * (a.x + a.y), 2 * a.x * a.y); }`;

/** One step of a tile: nodes of the tile, 2^bits of them, to their children or back, or both with the kernel's `middle` between. */
interface Stage {
  readonly bits: number;
  readonly radix: number;
  readonly forward: boolean;
  readonly inverse: boolean;
}

function stagesOf(points: number, forward: boolean, inverse: boolean): Stage[] {
  const steps: { bits: number; radix: number }[] = [];
  for (let bits = 0, left = points; left > 1; ) {
    // not 8 and then 2, where 4 and 4 will do
    const radix = left === 16 || left === 4 ? 4 : Math.min(8, left);
    steps.push({ bits, radix });
    bits += Math.log2(radix);
    left /= radix;
  }
  const down = steps.map((s) => ({ ...s, forward: true, inverse: false }));
  const up = steps.map((s) => ({ ...s, forward: false, inverse: true })).reverse();
  if (!inverse) return down;
  if (!forward) return up;
  return [...down.slice(0, -1), { ...steps.at(-1)!, forward: true, inverse: true }, ...up.slice(1)];
}

/** Launches it. */
export function transformKernel({ dispatch }: WebgpuLowering, { name, nodes, sequences, bindings, load, forward, middle = '', inverse, store }: TransformKernel): void {
  const { points, stride, width, count } = nodes;
  let columns = 1;
  while (columns < Math.min(width, Math.max(4, Math.min(MOST_COLUMNS, TILE / points)))) columns *= 2;
  const blocks = Math.ceil(width / columns);
  const size = Math.max(32, Math.min(256, (points * columns) / 8));
  const level = Math.log2(count);
  const stages = stagesOf(points, forward, inverse);
  const text = (stage: Stage, s: number): string => {
    const { bits, radix } = stage;
    // elements of a child
    const part = points / 2 ** bits / radix;
    const butterflies = (points / radix) * columns;
    const index = (k: number) => `base + (row + ${k * part}u) * ${stride}u`;
    const place = (k: number) => `tile[(row + ${k * part}u) * ${columns}u + column]`;
    const [first, last] = [s === 0, s === stages.length - 1];
    const each = (statement: string) => repeat(radix, (k) => `    { let index = ${index(k)}; var v = v${k}; ${statement} v${k} = v; }`);
    return lines(
      !first && '  workgroupBarrier();',
      `  for (var i = lane; i < ${butterflies}u; i += ${size}u) {`,
      `    let column = i % ${columns}u;`,
      `    let node = i / ${columns * part}u;`,
      `    let row = node * ${radix * part}u + i / ${columns}u % ${part}u;`,
      // who has no column repeats the last one's work, and throws it away
      `    let base = tree_node * ${points * stride}u + min(block * ${columns}u + column, ${width - 1}u);`,
      `    let live = block * ${columns}u + column < ${width}u;`,
      // the fraction of a turn in the node's z^M − e^{2πif}: exact, as there are at most 2²¹ nodes
      `    let f = f32(reverseBits((tree_node << ${bits}u) | node) >> 8u) * ${f32(2 ** -24)} + ${f32(2 ** -(level + bits + 2))};`,
      rootsText(radix),
      '    var t: vec2f;',
      repeat(radix, (k) => `    var v${k}: vec2f; { ${first ? `let index = ${index(k)}; v${k} = ${load};` : `v${k} = ${place(k)};`} }`),
      stage.forward && splitText(radix),
      part === 1 && middle !== '' && each(middle),
      stage.inverse && joinText(radix),
      last ? store !== '' && lines('    if (live) {', repeat(radix, (k) => `    { let index = ${index(k)}; let v = v${k}; ${store} }`), '    }') : repeat(radix, (k) => `    ${place(k)} = v${k};`),
      '  }',
    );
  };
  dispatch({
    name,
    bindings,
    tasks: sequences * count * blocks,
    code: lines(
      stages.length > 1 && `var<workgroup> tile: array<vec2f, ${points * columns}>;`,
      functions,
      `@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      '  let task = task_of(group);',
      '  if (task >= TASKS) { return; }',
      `  let block = task % ${blocks}u;`,
      `  let tree_node = task / ${blocks}u % ${count}u;`,
      `  let sequence = task / ${blocks * count}u;`,
      stages.map(text),
      '}',
    ),
  });
}
