/**
 * Selective scan as WGSL. Where sequences and channels are too few to keep a GPU busy, segments of time run side by side. Many states are taken in slices, one
 * after the other: they meet only in sums, y, dx and dΔ.
 */
import type { Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { ScanAttrs } from './op.ts';
import { scanSizes, slicesOf, type Slice } from './sizes.ts';
import { backwardSweepKernel, blocksInTurn, gradientTile, STEPS } from './webgpu-gradient.ts';
import { joinSegments, sweepKernel, type Planes, type Segments, type Sweep } from './webgpu-sweep.ts';
import { stateAt } from './webgpu-text.ts';

/** states of a slice: with more of them a workgroup would own fewer channels, and read b and c for each of them */
const SLICE = 32;

/** invocations, of 8 states each, from which on segments would not pay: the sweep that finds the states between them costs half as much again */
const ENOUGH = 16384;
/** a segment is not shorter */
const SHORTEST = 64;

/** workgroups that make a GPU busy */
const BUSY = 1024;

/** As many segments as make the GPU busy, each a whole number of `unit` steps; `workgroups` run for each where it is not a few channels and states to one. */
function segmentsOf({ B, L, E, N }: Slice, unit: number, workgroups = BUSY): Segments {
  const invocations = B * E * Math.ceil(N / 8);
  const few = Math.max(invocations >= ENOUGH ? 1 : Math.ceil((4 * ENOUGH) / invocations), Math.ceil(BUSY / workgroups));
  const wanted = Math.max(1, Math.min(few, Math.floor(L / SHORTEST)));
  const steps = Math.ceil(L / wanted / unit) * unit;
  return { count: Math.ceil(L / steps), steps };
}

/** What slices are lowered with: buffers have names, and a slice uses those of the slices before it again where they are large enough. */
interface SliceLowering {
  readonly dispatch: WebgpuLowering['dispatch'];
  buffer(name: string, ...shape: number[]): Operand;
}

function sliceLowering({ dispatch, buffer }: WebgpuLowering): SliceLowering {
  const there = new Map<string, Operand>();
  return {
    dispatch,
    buffer: (name, ...shape) => {
      const earlier = there.get(name);
      if (earlier !== undefined && sizeOf(earlier.shape) >= sizeOf(shape)) return earlier;
      const made = buffer(...shape);
      there.set(name, made);
      return made;
    },
  };
}

/** The states (or gradients) that segments begin with, or nothing where there is one segment. */
function segmentEntries(lowering: SliceLowering, sweep: Omit<Sweep, 'name' | 'chunk'>): Operand | undefined {
  const { slice: { B, E, N }, segments, reverse } = sweep;
  if (segments.count === 1) return undefined;
  const name = `selective_scan_${reverse ? 'gradient_' : ''}segment`;
  const ends = { states: lowering.buffer(`${name} states`, B, segments.count, N, E), totals: lowering.buffer(`${name} totals`, B, segments.count, E) };
  sweepKernel(lowering, { ...sweep, name: `${name}s`, chunk: segments.steps, ends });
  joinSegments(lowering, { ...sweep, name: `${name}_join` }, ends);
  return ends.states;
}

/** Launches the forward scan of a slice for the outputs that are given. */
function forward(lowering: SliceLowering, [x, delta, a, b]: readonly Operand[], slice: Slice, chunk: number, out: Pick<Sweep, 'y' | 'starts' | 'last'>): void {
  const segments = segmentsOf(slice, out.starts === undefined ? 1 : chunk);
  const common = { slice, segments, reverse: false, x, delta, a, b };
  const entry = segmentEntries(lowering, common);
  sweepKernel(lowering, { ...common, name: 'selective_scan', chunk: out.starts === undefined ? segments.steps : chunk, entry, ...out });
}

/** A wanted output, or nothing. */
const wanted = (out: Operand): Operand | undefined => (out.used ? out : undefined);

/** Bytes that states of a slice before chunks may take. */
const ROOM = 2 ** 30;

/**
 * Steps between the states that the gradient of a slice starts from, at most `given`. Where `room` is enough, they are no more than what registers hold: nobody then walks
 * through them first, which takes twice as long as to keep more states.
 */
function gradientChunk(slice: Slice, given: number, room: number): number {
  const { B, L, E, N } = slice;
  return Math.min(given, 4 * B * Math.ceil(L / Math.min(given, STEPS)) * N * E <= room ? STEPS : gradientTile(slice).longestChunk);
}

/** In the states that the op keeps, all of them to a plane. */
const planesOf = (kept: Operand, { from, all }: Slice): Planes => ({ operand: kept, planes: all, first: from });

/** The states that the op keeps are written only where they are those that the gradient starts from: it makes closer ones itself. */
export function selectiveScanWebgpu(lowering: WebgpuLowering, attrs: ScanAttrs, room = ROOM): void {
  const { inputs, outputs } = lowering;
  const chunk = Math.min(attrs.chunk, inputs[0].shape[1]);
  const [, , , , c, d] = inputs;
  const [out, last, kept] = outputs.map(wanted);
  const slices = slicesOf(scanSizes(inputs, chunk), SLICE);
  const sliced = sliceLowering(lowering);
  // y may lie where an input does, which every slice reads
  const sofar = out !== undefined && slices.length > 1 ? lowering.buffer(...out.shape) : undefined;
  const y = out && { out, c, d, sofar };
  for (const slice of slices) {
    const starts = kept !== undefined && gradientChunk(slice, chunk, room) === chunk ? planesOf(kept, slice) : undefined;
    if (y !== undefined || last !== undefined || starts !== undefined) forward(sliced, inputs, slice, chunk, { y, last, starts });
  }
}

export function selectiveScanGradientWebgpu(lowering: WebgpuLowering, attrs: ScanAttrs, room = ROOM): void {
  const { inputs: [dy, x, delta, a, b, c, d, kept], outputs } = lowering;
  const scanned = [x, delta, a, b, c, d];
  const given = Math.min(attrs.chunk, x.shape[1]);
  const [dx, dDelta, da, db, dc, dd] = outputs.map(wanted);
  const slices = slicesOf(scanSizes(scanned, given), SLICE);
  const sliced = sliceLowering(lowering);
  const added = [dx, dDelta].filter((out) => out !== undefined);
  // dx and dDelta may lie where inputs do, which every slice reads
  const sofar = slices.length > 1 && added.length > 0 ? lowering.buffer(added.length, ...x.shape) : undefined;
  for (const states of slices) {
    // dd is whole after the first slice
    if (states.from > 0 && [dx, dDelta, da, db, dc].every((out) => out === undefined)) break;
    const chunk = gradientChunk(states, given, room);
    const slice = { ...states, chunks: Math.ceil(states.L / chunk) };
    const { B, E, N, chunks } = slice;
    let starts = planesOf(kept, slice);
    if (chunk < given) {
      starts = { operand: sliced.buffer('starts', B, chunks, N, E), planes: N, first: 0 };
      forward(sliced, scanned, slice, chunk, { starts });
    }
    const { shares: count } = blocksInTurn(slice);
    // where a workgroup takes many blocks of channels in turn, few of them run for a segment
    const segments = segmentsOf(slice, chunk, B * count);
    const entry = segmentEntries(sliced, { slice, segments, reverse: true, x: dy, delta, a, b: c });
    const sums: ShareSum[] = [];
    let words = 0;
    /** room for `count` shares of an output that has `columns` of these states, or none */
    const place = (out: Operand | undefined, count: number, columns?: Slice): number | undefined => {
      if (out === undefined) return undefined;
      const first = words;
      const size = columns === undefined ? sizeOf(out.shape) : (sizeOf(out.shape) / columns.all) * columns.N;
      sums.push({ out, count, first, size, columns });
      words += count * size;
      return first;
    };
    const at = {
      da: place(da, B * segments.count, slice), db: place(db, count, slice), dc: place(dc, count, slice),
      dd: slice.from === 0 ? place(dd, B * segments.count) : undefined,
    };
    const shares = sliced.buffer('shares', words);
    backwardSweepKernel(lowering, { slice, segments, chunk, dy, x, delta, a, b, c, d, starts, entry, dx, dDelta, sofar, shares, at });
    if (sums.length > 0) sumShares(lowering, shares, sums);
  }
}

/** One output, or its columns of a slice's states, as the sum of `count` shares of `size` numbers, which begin at `first`. */
interface ShareSum {
  readonly out: Operand;
  readonly count: number;
  readonly first: number;
  readonly size: number;
  readonly columns: Slice | undefined;
}

const SIZE = 256;

/** Launches all sums at once. Long sums are split over the invocations of a workgroup. */
function sumShares({ dispatch }: WebgpuLowering, shares: Operand, sums: readonly ShareSum[]): void {
  let tasks = 0;
  const texts = sums.map(({ count, first, size: n, columns: of }, k) => {
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
      out${k}[${of === undefined || of.N === of.all ? 'i' : `i / ${of.N}u * ${of.all}u + ${stateAt(of, `i % ${of.N}u`)}`}] = sum;
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
