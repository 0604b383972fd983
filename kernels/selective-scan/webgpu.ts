/** Selective scan as WGSL. Where sequences and channels are too few to keep a GPU busy, segments of time run side by side. */
import { RecallbenchError } from '#core/errors.ts';
import type { Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { ScanAttrs } from './op.ts';
import { scanSizes, type ScanSizes } from './sizes.ts';
import { backwardSweepKernel, blocksInTurn, gradientTile } from './webgpu-gradient.ts';
import { joinSegments, sweepKernel, type Segments, type Sweep } from './webgpu-sweep.ts';

/** invocations, of 8 states each, from which on segments would not pay: the sweep that finds the states between them costs half as much again */
const ENOUGH = 16384;
/** a segment is not shorter */
const SHORTEST = 64;

/** workgroups that make a GPU busy */
const BUSY = 1024;

/** As many segments as make the GPU busy, each a whole number of `unit` steps; `workgroups` run for each where it is not a few channels and states to one. */
function segmentsOf({ B, L, E, N }: ScanSizes, unit: number, workgroups = BUSY): Segments {
  const invocations = B * E * Math.ceil(N / 8);
  const few = Math.max(invocations >= ENOUGH ? 1 : Math.ceil((4 * ENOUGH) / invocations), Math.ceil(BUSY / workgroups));
  const wanted = Math.max(1, Math.min(few, Math.floor(L / SHORTEST)));
  const steps = Math.ceil(L / wanted / unit) * unit;
  return { count: Math.ceil(L / steps), steps };
}

/** The states (or gradients) that segments begin with, or nothing where there is one segment. */
function segmentEntries(lowering: WebgpuLowering, sweep: Omit<Sweep, 'name' | 'chunk'>): Operand | undefined {
  const { sizes: { B, E, N }, segments, reverse } = sweep;
  if (segments.count === 1) return undefined;
  const ends = { states: lowering.buffer(B, segments.count, N, E), totals: lowering.buffer(B, segments.count, E) };
  const name = `selective_scan_${reverse ? 'gradient_' : ''}segment`;
  sweepKernel(lowering, { ...sweep, name: `${name}s`, chunk: segments.steps, ends });
  joinSegments(lowering, { ...sweep, name: `${name}_join` }, ends);
  return ends.states;
}

/** Launches the forward scan for the outputs that are given. */
function forward(lowering: WebgpuLowering, inputs: readonly Operand[], chunk: number, out: Pick<Sweep, 'starts' | 'last'> & { readonly y?: Operand | undefined }): void {
  const [x, delta, a, b, c, d] = inputs;
  const sizes = scanSizes(inputs, chunk);
  const segments = segmentsOf(sizes, out.starts === undefined ? 1 : chunk);
  const common = { sizes, segments, reverse: false, x, delta, a, b };
  const entry = segmentEntries(lowering, common);
  sweepKernel(lowering, {
    ...common, name: 'selective_scan', chunk: out.starts === undefined ? segments.steps : chunk, entry,
    y: out.y === undefined ? undefined : { out: out.y, c, d }, starts: out.starts, last: out.last,
  });
}

function checkStates({ N }: ScanSizes): void {
  if (N > 256) throw new RecallbenchError('E_OP', `selectiveScan: the WGSL form has at most 256 states a channel, not ${N}. Remedy: --engine wasm.`);
}

/** A wanted output, or nothing. */
const wanted = (out: Operand): Operand | undefined => (out.used ? out : undefined);

/** Bytes that states before chunks may take. */
const ROOM = 2 ** 30;

/**
 * Steps between the states that the gradient starts from, at most `given`. Where `room` is enough, they are no more than what registers hold: nobody then walks
 * through them first, which takes twice as long as to keep more states.
 */
function gradientChunk(inputs: readonly Operand[], given: number, room: number): number {
  const { steps, longestChunk } = gradientTile(scanSizes(inputs, given));
  const { B, E, N, chunks } = scanSizes(inputs, Math.min(given, steps));
  return Math.min(given, 4 * B * chunks * N * E <= room ? steps : longestChunk);
}

/** The states that the op keeps are written only where they are those that the gradient starts from: it makes closer ones itself. */
export function selectiveScanWebgpu(lowering: WebgpuLowering, attrs: ScanAttrs, room = ROOM): void {
  const { inputs, outputs } = lowering;
  const chunk = Math.min(attrs.chunk, inputs[0].shape[1]);
  checkStates(scanSizes(inputs, chunk));
  const [y, last, starts] = outputs.map(wanted);
  const kept = gradientChunk(inputs, chunk, room) === chunk ? starts : undefined;
  if (y !== undefined || last !== undefined || kept !== undefined) forward(lowering, inputs, chunk, { y, last, starts: kept });
}

export function selectiveScanGradientWebgpu(lowering: WebgpuLowering, attrs: ScanAttrs, room = ROOM): void {
  const { inputs: [dy, x, delta, a, b, c, d, kept], outputs } = lowering;
  const scanned = [x, delta, a, b, c, d];
  const given = Math.min(attrs.chunk, x.shape[1]);
  const chunk = gradientChunk(scanned, given, room);
  const sizes = scanSizes(scanned, chunk);
  const { B, E, N } = sizes;
  checkStates(sizes);
  let starts = kept;
  if (chunk < given) {
    starts = lowering.buffer(B, sizes.chunks, N, E);
    forward(lowering, scanned, chunk, { starts });
  }
  const { shares: count } = blocksInTurn(sizes);
  // with many states a workgroup takes many blocks of channels in turn, and few of them run for a segment
  const segments = segmentsOf(sizes, chunk, B * count);
  const entry = segmentEntries(lowering, { sizes, segments, reverse: true, x: dy, delta, a, b: c });
  const [dx, dDelta, da, db, dc, dd] = outputs.map(wanted);
  const sums: ShareSum[] = [];
  let words = 0;
  /** room for `count` shares of an output */
  const place = (out: Operand | undefined, count: number): number | undefined => {
    if (out === undefined) return undefined;
    const first = words;
    sums.push({ out, count, first });
    words += count * sizeOf(out.shape);
    return first;
  };
  const at = { da: place(da, B * segments.count), db: place(db, count), dc: place(dc, count), dd: place(dd, B * segments.count) };
  const shares = lowering.buffer(words);
  backwardSweepKernel(lowering, { sizes, segments, chunk, dy, x, delta, a, b, c, d, starts, entry, dx, dDelta, shares, at });
  if (sums.length > 0) sumShares(lowering, shares, sums);
}

/** One output as the sum of shares, which begin at `first`. */
interface ShareSum {
  readonly out: Operand;
  readonly count: number;
  readonly first: number;
}

const SIZE = 256;

/** Launches all sums at once. Long sums are split over the invocations of a workgroup. */
function sumShares({ dispatch }: WebgpuLowering, shares: Operand, sums: readonly ShareSum[]): void {
  let tasks = 0;
  const texts = sums.map(({ out, count, first }, k) => {
    const n = sizeOf(out.shape);
    const rows = 2 ** Math.floor(Math.log2(Math.min(32, Math.max(1, count / 4))));
    const columns = SIZE / rows;
    const before = tasks;
    tasks += Math.ceil(n / columns);
    return `
  if (task >= ${before}u && task < ${tasks}u) {
    let i = (task - ${before}u) * ${columns}u + lane % ${columns}u;
    var sum = 0f;
    if (i < ${n}u) {
      for (var k = lane / ${columns}u; k < ${count}u; k += ${rows}u) { sum += shares[${first}u + k * ${n}u + i]; }
    }
    parts[lane] = sum;
    workgroupBarrier();
    if (lane < ${columns}u && i < ${n}u) {
${repeat(rows - 1, (r) => `      sum += parts[lane + ${(r + 1) * columns}u];`)}
      out${k}[i] = sum;
    }
  }`;
  });
  dispatch({
    name: 'selective_scan_sums',
    bindings: { shares, ...Object.fromEntries(sums.map(({ out }, k) => [`out${k}`, out])) },
    tasks,
    code: lines(
      `var<workgroup> parts: array<f32, ${SIZE}>;`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(group);`,
      `  if (task >= TASKS) { return; }`,
      texts,
      `}`,
    ),
  });
}
