/**
 * RMS normalisation of rows in WGSL, plain and gated. A row is one or more slices, each normalised by itself. A power of two of neighbouring
 * invocations share a slice and keep it in registers from the first pass to the last, so that every operand is read once; a workgroup takes
 * one slice of each of several rows. Sizes are in vectors of neighbouring elements.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { f32, lines } from '#engine/webgpu/wgsl.ts';
import { partials, SIZE, sumPartials, sumRows } from '../webgpu-sums.ts';
import { sigmoid, vectorFor, type Vector } from '../webgpu-vector.ts';
import type { NormAttrs } from './portable.ts';

/** Workgroups of the gradient: enough for a large GPU, and so few that their shares of the weight's gradient weigh nothing. */
const GRADIENT_TASKS = 1024;
/** Partial sums of a slice that every invocation adds up by itself; more are folded first. */
const FEW = 16;

/** How rows lie on workgroups, and the text that says so. */
interface Layout {
  readonly rows: number;
  /** elements of a slice, and vectors */
  readonly size: number;
  readonly n: number;
  readonly vector: Vector;
  /** invocations that share a slice */
  readonly sharers: number;
  /** rows of a workgroup at a time */
  readonly height: number;
  /** vectors of each sharer */
  readonly pieces: readonly number[];
  /** text: piece k of a tensor's slice that begins at `at`, 0 behind its end */
  read(name: string, k: number): string;
  /** text: the condition that piece k is not behind the end of the slice */
  within(k: number): string;
  /** text: `row` out of `first`, `at` where its slice begins, and `live` where there is such a row; otherwise `at` is another row's */
  place(first: string): string;
  /** text that starts the kernel: numbers the `sharer`, the `slice` and its pieces (`c0` …), and loads their weights (`w0` …) */
  readonly start: string;
}

function layoutOf(x: Operand, groups: number): Layout {
  const D = x.shape.at(-1)!;
  const size = D / groups;
  const rows = sizeOf(x.shape) / D;
  const vector = vectorFor(size);
  const n = size / vector.width;
  // two vectors each, or more where a workgroup is too small for that
  let sharers = 1;
  while (sharers < SIZE && 2 * sharers < n) sharers *= 2;
  const height = SIZE / sharers;
  const pieces = Array.from({ length: Math.ceil(n / sharers) }, (_, k) => k);
  const ragged = (k: number) => (k + 1) * sharers > n;
  return {
    rows, size, n, vector, sharers, height, pieces,
    read: (name, k) => (ragged(k) ? `select(${vector.T}(), ${name}[at + c${k}], in${k})` : `${name}[at + c${k}]`),
    within: (k) => (ragged(k) ? `in${k}` : 'true'),
    place: (first) =>
      lines(
        `  let row = ${first} + lane / ${sharers}u;`,
        `  let live = row < ${rows}u;`,
        `  let at = (min(row, ${rows - 1}u) * ${groups}u + slice) * ${n}u;`,
      ),
    start: lines(
      '  let task = task_of(group);',
      '  if (task >= TASKS) { return; }',
      `  let slice = task % ${groups}u;`,
      `  let sharer = lane % ${sharers}u;`,
      pieces.map((k) => {
        const c = `sharer + ${k * sharers}u`;
        return ragged(k) ? `  let in${k} = ${c} < ${n}u;\n  let c${k} = min(${c}, ${n - 1}u);` : `  let c${k} = ${c};`;
      }),
      pieces.map((k) => `  let w${k} = weight[slice * ${n}u + c${k}];`),
    ),
  };
}

/**
 * Text that adds `mine` over the sharers of a slice to `total`, through `sums` from `buffer` on; the same bits for each of them. Whoever
 * comes here again before a further barrier must use another buffer.
 */
function sumOverSlice(sharers: number, buffer: string): string {
  let few = sharers;
  let text = `  let own = ${buffer} + lane;\n  sums[own] = mine;\n`;
  for (; few > FEW; few /= 2) text += `  workgroupBarrier();\n  if (sharer < ${few / 2}u) { sums[own] += sums[own + ${few / 2}u]; }\n`;
  const terms = Array.from({ length: few }, (_, i) => `sums[own - sharer + ${i}u]`);
  return `${text}  workgroupBarrier();\n  let total = ${terms.join(' + ')};`;
}

const HEAD = `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`;

/** y = v·r·w with r = 1/√(mean(v²) + ε) in every slice; v = x, or x·SiLU(z) with a gate. One launch. */
function forward({ outputs, dispatch }: WebgpuLowering, x: Operand, z: Operand | undefined, weight: Operand, { epsilon, groups }: NormAttrs): void {
  const layout = layoutOf(x, groups);
  const { vector, pieces, rows, size, sharers, height } = layout;
  const { T } = vector;
  const as = (operand: Operand): GpuBinding => ({ operand, as: T });
  dispatch({
    name: z === undefined ? 'rms_forward' : 'rms_gated_forward',
    bindings: { x: as(x), ...(z !== undefined && { z: as(z) }), weight: as(weight), y: as(outputs[0]) },
    tasks: Math.ceil(rows / height) * groups,
    code: lines(
      `var<workgroup> sums: array<f32, ${SIZE}>;`,
      sigmoid(vector),
      HEAD,
      layout.start,
      layout.place(`task / ${groups}u * ${height}u`),
      z === undefined
        ? pieces.map((k) => `  let v${k} = ${layout.read('x', k)};`)
        : [...pieces.map((k) => `  let z${k} = ${layout.read('z', k)};\n  let x${k} = ${layout.read('x', k)};`), ...pieces.map((k) => `  let v${k} = x${k} * z${k} * sigmoid(z${k});`)],
      `  let mine = ${pieces.map((k) => vector.dot(`v${k}`, `v${k}`)).join(' + ')};`,
      sumOverSlice(sharers, '0u'),
      `  let r = inverseSqrt(total / ${size} + ${f32(epsilon)});`,
      pieces.map((k) => `  if (live && ${layout.within(k)}) { y[at + c${k}] = v${k} * r * w${k}; }`),
      '}',
    ),
  });
}

/**
 * Gradients: dv = r w dy − v r³ mean(v w dy) in every slice, and dw = Σ r v dy over the rows; with a gate dx = dv·SiLU(z) and
 * dz = dv·x·SiLU′(z). operands: dy, x, z, weight; results: dx, dz, dweight. One launch, and one that adds the shares of the workgroups.
 */
function gradient(lowering: WebgpuLowering, [dy, x, z, weight]: [Operand, Operand, Operand | undefined, Operand], [dx, dz, dw]: [Operand, Operand | undefined, Operand], { epsilon, groups }: NormAttrs): void {
  const layout = layoutOf(x, groups);
  const { vector, pieces, rows, size, n, sharers, height } = layout;
  const { T } = vector;
  const rounds = Math.ceil(rows / height / Math.ceil(GRADIENT_TASKS / groups));
  const count = Math.ceil(rows / height / rounds);
  const shares = partials(lowering, count, dw);
  const gated = z !== undefined;
  const as = (operand: Operand): GpuBinding => ({ operand, as: T });
  const results = { ...(dx.used && { dx: as(dx) }), ...(dz?.used && { dz: as(dz) }), ...(dw.used && { dw: as(shares) }) };
  lowering.dispatch({
    name: gated ? 'rms_gated_gradient' : 'rms_gradient',
    bindings: { dy: as(dy), x: as(x), ...(gated && { z: as(z) }), weight: as(weight), ...results },
    tasks: count * groups,
    code: lines(
      // rounds take turns with two buffers, so that one barrier is enough
      `var<workgroup> sums: array<vec2f, ${2 * SIZE}>;`,
      `var<workgroup> rows: array<${T}, ${SIZE}>;`,
      sigmoid(vector),
      HEAD,
      layout.start,
      dw.used && pieces.map((k) => `  var dw${k} = ${T}();`),
      `  for (var i = 0u; i < ${rounds}u; i++) {`,
      layout.place(`(task / ${groups}u * ${rounds}u + i) * ${height}u`),
      pieces.map((k) => `  let dy${k} = ${layout.read('dy', k)};\n  let x${k} = ${layout.read('x', k)};${gated ? `\n  let z${k} = ${layout.read('z', k)};` : ''}`),
      pieces.map((k) => (gated ? `  let s${k} = sigmoid(z${k});\n  let gate${k} = z${k} * s${k};\n  let v${k} = x${k} * gate${k};` : `  let v${k} = x${k};`)),
      `  let mine = vec2f(${pieces.map((k) => vector.dot(`v${k}`, `v${k}`)).join(' + ')}, ${pieces.map((k) => vector.dot(`v${k}`, `(w${k} * dy${k})`)).join(' + ')});`,
      sumOverSlice(sharers, `i % 2u * ${SIZE}u`),
      `  let r = inverseSqrt(total.x / ${size} + ${f32(epsilon)});`,
      `  let pull = r * r * r * (total.y / ${size});`,
      pieces.map((k) =>
        lines(
          `  if (live && ${layout.within(k)}) {`,
          `    let rdy = r * dy${k};`,
          `    let dv = rdy * w${k} - pull * v${k};`,
          dx.used && `    dx[at + c${k}] = dv${gated ? ` * gate${k}` : ''};`,
          dz?.used && `    dz[at + c${k}] = dv * x${k} * (s${k} + gate${k} * (1 - s${k}));`,
          dw.used && `    dw${k} += rdy * v${k};`,
          '  }',
        ),
      ),
      '  }',
      dw.used && pieces.map((k) => sumRows(sharers, `dw${k}`, `if (${layout.within(k)}) { dw[task * ${n}u + c${k}] = sum; }`)),
      '}',
    ),
  });
  sumPartials(lowering, [{ shares, count, out: dw }]);
}

/** x, weight → y */
export function rmsNormWebgpu(lowering: WebgpuLowering, attrs: NormAttrs): void {
  const [x, weight] = lowering.inputs;
  forward(lowering, x, undefined, weight, attrs);
}

/** dy, x, weight → dx, dweight */
export function rmsNormGradientWebgpu(lowering: WebgpuLowering, attrs: NormAttrs): void {
  const [dy, x, weight] = lowering.inputs;
  const [dx, dw] = lowering.outputs;
  gradient(lowering, [dy, x, undefined, weight], [dx, undefined, dw], attrs);
}

/** x, z, weight → y */
export function gatedRmsNormWebgpu(lowering: WebgpuLowering, attrs: NormAttrs): void {
  const [x, z, weight] = lowering.inputs;
  forward(lowering, x, z, weight, attrs);
}

/** dy, x, z, weight → dx, dz, dweight */
export function gatedRmsNormGradientWebgpu(lowering: WebgpuLowering, attrs: NormAttrs): void {
  const [dy, x, z, weight] = lowering.inputs;
  const [dx, dz, dw] = lowering.outputs;
  gradient(lowering, [dy, x, z, weight], [dx, dz, dw], attrs);
}
