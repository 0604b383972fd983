/**
 * Causal depthwise convolution. A task owns a run of steps of one sequence and goes through it in tiles of TILE steps; in a
 * tile, a strip of four channels at a time runs down the steps, taps and window in registers. Up to four taps read and write
 * the tensors directly; more taps, and the last strip when the channels do not fill it, go through packed rows.
 *
 * Strips keep their taps in scratch as vectors, bias last: [strips][W' + 1] with W' = max(W, 4), missing early taps 0.
 */
import { arg, madd, nmadd, sigmoid4 } from '../../engine/wasm/assembly/math.as';

const TILE: i32 = 16;

/** Four channels of rows from … to − 1, packed; rows outside 0 … length − 1 and lanes beyond the channels are 0. */
function packRows(x: usize, row: usize, from: i32, to: i32, length: i32, lanes: i32, packed: usize): void {
  for (let t = from; t < to; t++) {
    v128.store(packed, f32x4.splat(0));
    if (t >= 0 && t < length) {
      for (let lane = 0; lane < lanes; lane++) store<f32>(packed + (lane << 2), load<f32>(x + t * row + (lane << 2)));
    }
    packed += 16;
  }
}

/** The inverse of packRows for rows that exist. */
function unpackRows(packed: usize, rows: i32, lanes: i32, x: usize, row: usize): void {
  for (let t = 0; t < rows; t++) {
    for (let lane = 0; lane < lanes; lane++) store<f32>(x + (lane << 2), load<f32>(packed + (lane << 2)));
    packed += 16;
    x += row;
  }
}

/** Taps [C, W] and bias [C] as strips of W' taps and the bias. */
function packTaps(weight: usize, bias: usize, channels: i32, taps: i32, wide: i32, to: usize): void {
  memory.fill(to, 0, ((channels + 3) >> 2) * (wide + 1) << 4);
  for (let c = 0; c < channels; c++) {
    const strip = to + ((c >> 2) * (wide + 1) << 4) + ((c & 3) << 2);
    for (let j = 0; j < taps; j++) {
      store<f32>(strip + ((wide - taps + j) << 4), load<f32>(weight));
      weight += 4;
    }
    store<f32>(strip + (wide << 4), load<f32>(bias + (c << 2)));
  }
}

/** The inverse of packTaps. */
function unpackTaps(from: usize, channels: i32, taps: i32, wide: i32, weight: usize, bias: usize): void {
  for (let c = 0; c < channels; c++) {
    const strip = from + ((c >> 2) * (wide + 1) << 4) + ((c & 3) << 2);
    if (weight !== 0) for (let j = 0; j < taps; j++) store<f32>(weight + ((c * taps + j) << 2), load<f32>(strip + ((wide - taps + j) << 4)));
    if (bias !== 0) store<f32>(bias + (c << 2), load<f32>(strip + (wide << 4)));
  }
}

// @ts-ignore: decorator
@inline
function activate(silu: bool, v: v128): v128 {
  return silu ? f32x4.mul(v, sigmoid4(v)) : v;
}

/** dy times the derivative of the activation: SiLU′ = σ + v σ (1 − σ). */
// @ts-ignore: decorator
@inline
function throughSilu(v: v128, dy: v128): v128 {
  const s = sigmoid4(v);
  const gate = f32x4.mul(v, s);
  return f32x4.mul(dy, f32x4.add(s, nmadd(gate, s, gate)));
}

/** y of one strip over `rows` steps, four taps; `history` says whether the three rows before x exist (else they count as 0). */
// @ts-ignore: decorator
@inline
function fourTaps(silu: bool, x: usize, y: usize, row: usize, rows: i32, history: bool, taps: usize): void {
  const w0 = v128.load(taps, 0);
  const w1 = v128.load(taps, 16);
  const w2 = v128.load(taps, 32);
  const w3 = v128.load(taps, 48);
  const bias = v128.load(taps, 64);
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  if (history) {
    x0 = v128.load(x - 3 * row);
    x1 = v128.load(x - 2 * row);
    x2 = v128.load(x - row);
  }
  for (let i = 0; i < rows; i++) {
    const x3 = v128.load(x);
    v128.store(y, activate(silu, madd(w3, x3, madd(w2, x2, madd(w1, x1, madd(w0, x0, bias))))));
    x0 = x1;
    x1 = x2;
    x2 = x3;
    x += row;
    y += row;
  }
}

function fourTapsPlain(x: usize, y: usize, row: usize, rows: i32, history: bool, taps: usize): void {
  fourTaps(false, x, y, row, rows, history, taps);
}

function fourTapsSilu(x: usize, y: usize, row: usize, rows: i32, history: bool, taps: usize): void {
  fourTaps(true, x, y, row, rows, history, taps);
}

/** Pre-activation at the packed row whose window of W' rows starts at x. */
// @ts-ignore: decorator
@inline
function window(x: usize, taps: usize, wide: i32): v128 {
  let v = v128.load(taps + (wide << 4));
  for (let j = 0; j < wide; j++) v = madd(v128.load(taps + (j << 4)), v128.load(x + (j << 4)), v);
  return v;
}

/** Arguments: x weight bias | y | L C W, SiLU (1 or 0), steps of a task. Tasks: B × runs. Scratch: 16·(strips·(W' + 1) + 2·TILE + W' − 1) bytes. */
export function conv_forward(args: usize, task: i32, scratch: usize): void {
  const length = arg(args, 4);
  const channels = arg(args, 5);
  const taps = arg(args, 6);
  const silu = arg(args, 7) !== 0;
  const perTask = arg(args, 8);
  const runs = (length + perTask - 1) / perTask;
  const row: usize = channels << 2;
  const sequence: usize = (task / runs) * length * row;
  const x: usize = arg(args, 0) + sequence;
  const y: usize = arg(args, 3) + sequence;
  const first = (task % runs) * perTask;
  const end = min(length, first + perTask);
  const wide = max(4, taps);
  const strips = (channels + 3) >> 2;
  const tapBytes: usize = (wide + 1) << 4;
  const packedX = scratch + strips * tapBytes;
  const packedY = packedX + ((TILE + wide - 1) << 4);
  packTaps(arg(args, 1), arg(args, 2), channels, taps, wide, scratch);
  for (let t = first; t < end; t += TILE) {
    const rows = min(TILE, end - t);
    for (let strip = 0; strip < strips; strip++) {
      const column: usize = strip << 4;
      const at = t * row + column;
      const tapsAt = scratch + strip * tapBytes;
      const lanes = min(4, channels - (strip << 2));
      if (lanes === 4 && wide === 4) {
        if (silu) fourTapsSilu(x + at, y + at, row, rows, t > 0, tapsAt);
        else fourTapsPlain(x + at, y + at, row, rows, t > 0, tapsAt);
        continue;
      }
      packRows(x + column, row, t - wide + 1, t + rows, length, lanes, packedX);
      for (let i = 0; i < rows; i++) v128.store(packedY + (i << 4), activate(silu, window(packedX + (i << 4), tapsAt, wide)));
      unpackRows(packedY, rows, lanes, y + at, row);
    }
  }
}

/** g = dy·SiLU′(pre-activation) of one strip over `rows` steps, four taps; packed. */
function fourTapsThroughSilu(x: usize, dy: usize, g: usize, row: usize, rows: i32, history: bool, taps: usize): void {
  const w0 = v128.load(taps, 0);
  const w1 = v128.load(taps, 16);
  const w2 = v128.load(taps, 32);
  const w3 = v128.load(taps, 48);
  const bias = v128.load(taps, 64);
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  if (history) {
    x0 = v128.load(x - 3 * row);
    x1 = v128.load(x - 2 * row);
    x2 = v128.load(x - row);
  }
  for (let i = 0; i < rows; i++) {
    const x3 = v128.load(x);
    v128.store(g, throughSilu(madd(w3, x3, madd(w2, x2, madd(w1, x1, madd(w0, x0, bias)))), v128.load(dy)));
    x0 = x1;
    x1 = x2;
    x2 = x3;
    x += row;
    dy += row;
    g += 16;
  }
}

/** dx_s = Σ_j w_j g_{s+3−j} of one strip; adds x_s g_{s+3−j} to the gradient of tap j and g_s to that of the bias. */
function fourTapsBack(g: usize, x: usize, dx: usize, row: usize, rows: i32, taps: usize, sums: usize): void {
  const w0 = v128.load(taps, 0);
  const w1 = v128.load(taps, 16);
  const w2 = v128.load(taps, 32);
  const w3 = v128.load(taps, 48);
  let dw0 = v128.load(sums, 0);
  let dw1 = v128.load(sums, 16);
  let dw2 = v128.load(sums, 32);
  let dw3 = v128.load(sums, 48);
  let dbias = v128.load(sums, 64);
  let g0 = v128.load(g, 0);
  let g1 = v128.load(g, 16);
  let g2 = v128.load(g, 32);
  for (let i = 0; i < rows; i++) {
    const g3 = v128.load(g, 48);
    const xs = v128.load(x);
    v128.store(dx, madd(w0, g3, madd(w1, g2, madd(w2, g1, f32x4.mul(w3, g0)))));
    dw0 = madd(xs, g3, dw0);
    dw1 = madd(xs, g2, dw1);
    dw2 = madd(xs, g1, dw2);
    dw3 = madd(xs, g0, dw3);
    dbias = f32x4.add(dbias, g0);
    g0 = g1;
    g1 = g2;
    g2 = g3;
    g += 16;
    x += row;
    dx += row;
  }
  v128.store(sums, dw0, 0);
  v128.store(sums, dw1, 16);
  v128.store(sums, dw2, 32);
  v128.store(sums, dw3, 48);
  v128.store(sums, dbias, 64);
}

/**
 * Gradients. g_t = dy_t·act′(pre-activation), dx_s = Σ_j w_j g_{s+W−1−j}, dw_j = Σ_s x_s g_{s+W−1−j}, dbias = Σ g. Arguments: dy x weight bias |
 * dx, dweight by task [tasks, C, W], dbias by task [tasks, C] (these two 0 where unwanted) | L C W, SiLU, steps of a task. Tasks: B × runs.
 * Scratch: 16·(strips·(2W' + 5) + 3·TILE + 3·(W' − 1)) bytes.
 */
export function conv_gradient(args: usize, task: i32, scratch: usize): void {
  const length = arg(args, 7);
  const channels = arg(args, 8);
  const taps = arg(args, 9);
  const silu = arg(args, 10) !== 0;
  const perTask = arg(args, 11);
  const runs = (length + perTask - 1) / perTask;
  const row: usize = channels << 2;
  const sequence: usize = (task / runs) * length * row;
  const dy: usize = arg(args, 0) + sequence;
  const x: usize = arg(args, 1) + sequence;
  const dx: usize = arg(args, 4) + sequence;
  const first = (task % runs) * perTask;
  const end = min(length, first + perTask);
  const wide = max(4, taps);
  const ahead = wide - 1;
  const strips = (channels + 3) >> 2;
  const tapBytes: usize = (wide + 1) << 4;
  const sums = scratch + strips * tapBytes;
  const carried = sums + strips * tapBytes; // [strips][3]: g of the next tile's first steps
  const g = carried + strips * 48;
  const packedX = g + ((TILE + ahead) << 4);
  const packedY = packedX + ((TILE + 2 * ahead) << 4);
  packTaps(arg(args, 2), arg(args, 3), channels, taps, wide, scratch);
  memory.fill(sums, 0, strips * tapBytes);
  for (let t = first; t < end; t += TILE) {
    const rows = min(TILE, end - t);
    for (let strip = 0; strip < strips; strip++) {
      const column: usize = strip << 4;
      const at = t * row + column;
      const tapsAt = scratch + strip * tapBytes;
      const sumsAt = sums + strip * tapBytes;
      const lanes = min(4, channels - (strip << 2));
      if (lanes === 4 && wide === 4) {
        const known = t === first ? 0 : 3;
        const reach = min(rows + 3, length - t);
        if (known !== 0) memory.copy(g, carried + strip * 48, 48);
        if (silu && reach > known) {
          fourTapsThroughSilu(x + at + known * row, dy + at + known * row, g + (known << 4), row, reach - known, t + known > 0, tapsAt);
        } else if (!silu) {
          for (let i = known; i < reach; i++) v128.store(g + (i << 4), v128.load(dy + at + i * row));
        }
        for (let i = reach; i < rows + 3; i++) v128.store(g + (i << 4), f32x4.splat(0));
        fourTapsBack(g, x + at, dx + at, row, rows, tapsAt, sumsAt);
        memory.copy(carried + strip * 48, g + (rows << 4), 48);
        continue;
      }
      packRows(x + column, row, t - ahead, t + rows + ahead, length, lanes, packedX);
      packRows(dy + column, row, t, t + rows + ahead, length, lanes, g);
      if (silu) {
        for (let i = 0; i < rows + ahead; i++) {
          const gAt = g + (i << 4);
          v128.store(gAt, throughSilu(window(packedX + (i << 4), tapsAt, wide), v128.load(gAt)));
        }
      }
      for (let i = 0; i < rows; i++) {
        const xs = v128.load(packedX + ((ahead + i) << 4));
        let toX = f32x4.splat(0);
        for (let j = 0; j < wide; j++) {
          const gj = v128.load(g + ((i + ahead - j) << 4));
          const sum = sumsAt + (j << 4);
          toX = madd(v128.load(tapsAt + (j << 4)), gj, toX);
          v128.store(sum, madd(xs, gj, v128.load(sum)));
        }
        const bias = sumsAt + (wide << 4);
        v128.store(bias, f32x4.add(v128.load(bias), v128.load(g + (i << 4))));
        v128.store(packedY + (i << 4), toX);
      }
      unpackRows(packedY, rows, lanes, dx + at, row);
    }
  }
  let dweight: usize = arg(args, 5);
  let dbias: usize = arg(args, 6);
  if (dweight !== 0) dweight += (task * channels * taps) << 2;
  if (dbias !== 0) dbias += task * row;
  unpackTaps(sums, channels, taps, wide, dweight, dbias);
}
