/**
 * The gradients of the chunked and the quadratic form of SSD as WGSL. Letters: X̃ = dt·x, W = decay ∘ C Bᵀ, dP = decay ∘ dW (summed over
 * heads); a pair of tiles has reading tokens t and written tokens s ≤ t.
 *
 * Two kernels on tiles: in one a task owns a tile of reading tokens (the gradient of c), in the other one of written tokens (those of x
 * and b). Both make C Bᵀ and dW = dY X̃ᵀ again, the owned tokens as rows. What is summed over pairs of tiles is added up in memory by the
 * invocation that owns it. All is linear in a head's channels, so units of 64 channels are like heads.
 */
import type { Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';
import { cut, otherTile, sources, statesBetween, tileKernel, tileTask, unitOf, unitsPerTask, type Cut, type States } from './webgpu-chunked.ts';
import { decayFunctions, decayRows } from './webgpu-decays.ts';
import { decayGradient, PLANES, planeAt, sumShares, sumsSize, throughKernel, totalAt } from './webgpu-sums.ts';
import { inFours, poolSize, rowSumFunctions, TILE } from './webgpu-tiles.ts';

type Inputs = Record<'dy' | 'x' | 'dt' | 'a' | 'b' | 'c' | 'd', Operand>;

/** Which sums the gradients of dt, a and d need. */
interface Wanted {
  /** of α: for ddt or da */
  readonly alpha: boolean;
  /** x·dX̃, for ddt */
  readonly direct: boolean;
  /** x·dy, for dd */
  readonly along: boolean;
}

const across = (v: string) => `dot(${v}, vec4f(1))`;

/** Text that gives a token's number in plane `plane`, added to what is there unless `first`; for lanes that have a row. */
function keepSum(sizes: Cut, plane: number, value: string, first: string): string {
  const at = planeAt(sizes, plane, '(first_unit + u)', '(own_token + lane)', 'h');
  return `  if (lane < own_rows) {
    let at = ${at};
    var sum = ${value};
    if (!(${first})) { sum += sums_data[at]; }
    sums_data[at] = sum;
  }`;
}

/** Adds a tile of entries to the gradient of b or c, in the task's share. */
function keepEntries(name: string, { tiling, B, L, G, N }: Cut, first: string): string {
  return tiling.eachRow((i) => `    if (${tiling.row(i)} < own_rows) {
      let row = (block * ${B * L}u + own_token + ${tiling.row(i)}) * ${G * N}u + shared_by * ${N}u;
      if (!(${first})) { s${i} += read_${name}(row, entry + 4u * tx); }
      write_${name}(row, entry + 4u * tx, s${i});
    }`);
}

/** The tiles of entries one after the other. */
const eachColumn = ({ columns, N }: Cut, body: string): string => lines(`  for (var entry = 0u; entry < ${columns > 1 ? N : 1}u; entry += ${TILE}u) {`, body, `  }`);

/** Shares of one output, block by block, or the output itself where there is one block. */
function inShares({ buffer, dispatch }: WebgpuLowering, blocks: number, output: Operand): { share: Operand; add(): void } {
  if (blocks === 1 || !output.used) return { share: output, add: () => {} };
  const share = buffer(blocks, ...output.shape);
  return { share, add: () => dispatch(sumShares(share, blocks, sizeOf(output.shape), output)) };
}

/**
 * dc = Σ_j dP B_j + decay from the chunk's start ∘ (dY S), for a tile of reading tokens; and for each α_t the sum of w ∘ dw over the pairs
 * around it within the tiles of these rows, and of what comes from the state before the chunk.
 */
function readingKernel(sizes: Cut, { dy, x, dt, a, b, c }: Inputs, { dc, states, sums, alpha, per }: { dc: Operand; states?: States; sums: Operand; alpha: boolean; per: number }) {
  const { B, P, G, N, tiling, chunk, chunks, tiles, units } = sizes;
  const [dys, xs, bs, cs] = [inFours('dy', dy, P), inFours('x', x, P), inFours('b', b, N), inFours('c', c, N)];
  const dcs = dc.used ? inFours('dc', dc, N, 'both') : undefined;
  const ss = states === undefined ? undefined : inFours('states', states.states, N);
  const { channels, entries, state } = sources(sizes);
  const [depth, width] = [Math.min(chunk, TILE), Math.min(P, TILE)];
  const upwards = Array.from({ length: tiling.height }, (_, i) => tiling.height - 1 - i);
  return {
    name: 'ssd_reading_gradient',
    bindings: { ...dys.bindings, ...xs.bindings, ...bs.bindings, ...cs.bindings, ...dcs?.bindings, ...ss?.bindings, dt_data: dt, a_data: a, ...(alpha ? { sums_data: sums } : {}) },
    tasks: B * chunks * tiles * G * Math.ceil(units / per),
    code: tileKernel(
      tiling, poolSize([depth, N, width], true),
      [
        decayFunctions(sizes), dys.functions, xs.functions, bs.functions, cs.functions, dcs?.functions ?? '', ss?.functions ?? '', rowSumFunctions,
        `var<workgroup> factor: array<f32, ${TILE}>;`, tiles > 1 ? `var<workgroup> between_of: array<f32, ${per}>;` : '',
      ],
      lines(
        tileTask(sizes, per),
        tiles > 1 && `  if (lane < ${per}u) { between_of[lane] = 0f; }`,
        `  for (var step = 0u; step <= own; step++) {`,
        `  let k = own - step;`,
        otherTile,
        tiling.zero('p'),
        tiling.productOfRows('p', entries('c', 'own'), entries('b', 'other'), N),
        tiling.zero('g'),
        `  for (var u = 0u; u < units; u++) {`,
        unitOf(sizes),
        `  workgroupBarrier();`,
        `  load_decays(lane, own_token, own_rows, other_token, other_rows, h);`,
        tiling.zero('w'),
        tiling.productOfRows('w', channels('dy', 'own'), channels('x', 'other'), width),
        tiles > 1 ? `  let between = between_of[u];` : `  let between = 0f;`,
        // w becomes w ∘ dw
        decayRows(tiling, 'reading', (i) => `  w${i} *= m * other_dt[tx];\n  g${i} += w${i};\n  w${i} *= p${i};`),
        tiles > 1 && `  workgroupBarrier();\n  if (lane == 0u && !diagonal) { between_of[u] = between + other_sum(0u, ${TILE / 4}u); }`,
        alpha && lines(
          // rows below within a column first, then columns before the row's own token
          `  workgroupBarrier();`,
          `  pool[ty * 16u + tx] = ${upwards.map((i) => `w${i}`).join(' + ')};`,
          `  workgroupBarrier();`,
          `  var below = vec4f(0);`,
          `  for (var y = ${TILE / tiling.height - 1}u; y > ty; y--) { below += pool[y * 16u + tx]; }`,
          upwards.map((i) => `  below += w${i};\n  w${i} = select(vec4f(0), below, vec4<bool>(!diagonal) | (columns < vec4u(${tiling.row(i)})));`),
          tiling.putRows((i) => across(`w${i}`)),
          keepSum(sizes, PLANES.rows, 'row_sum(lane)', 'diagonal'),
        ),
        `  }`,
        dc.used && lines(
          `  workgroupBarrier();`,
          tiling.eachRow((i) => tiling.putRow(i, `g${i}`)),
          eachColumn(sizes, lines(tiling.zero('s'), tiling.productOfColumns('s', undefined, entries('b', 'other', { first: 'entry' }), depth), keepEntries('dc', sizes, 'diagonal'))),
        ),
        `  }`,
        states !== undefined && lines(
          `  if (chunk > 0u) {`,
          `  for (var u = 0u; u < units; u++) {`,
          unitOf(sizes),
          `  workgroupBarrier();
  load_decays(lane, own_token, own_rows, own_token, own_rows, h);
  workgroupBarrier();
  if (lane < ${TILE}u) { factor[lane] = exp(${tiles > 1 ? 'between_of[u] + ' : ''}before_and_at(lane)); }`,
          eachColumn(sizes, lines(
            tiling.zero('s'),
            tiling.productOfColumns('s', channels('dy', 'own', 'factor'), state('states', '(chunk - 1u)', 'entry'), width),
            alpha && lines(
              tiling.putRows((i) => `dot(s${i}, ${entries('c', 'own', { first: 'entry' }).four(`min(${tiling.row(i)}, own_rows - 1u)`, '4u * tx')})`),
              keepSum(sizes, PLANES.before, 'row_sum(lane)', 'entry == 0u'),
            ),
            dc.used && keepEntries('dc', sizes, 'false'),
          )),
          `  }`,
          `  }`,
        ),
      ),
    ),
  };
}

/**
 * dX̃ = Σ_i W_iᵀ dY_i + decay to the chunk's end ∘ (B dSᵀ) and db = Σ_i dPᵀ C_i + decay to the end ∘ (X̃ dS), for a tile of written tokens;
 * and what α_s gets from pairs with later tiles (sums of columns and of whole tiles), and from what goes to the state after the chunk.
 */
function writtenKernel(
  sizes: Cut, { dy, x, dt, a, b, c, d }: Inputs, { dx, db, dStates, sums, wanted, per }: { dx: Operand; db: Operand; dStates?: States; sums: Operand; wanted: Wanted; per: number },
) {
  const { B, H, P, G, N, tiling, chunk, chunks, tiles, units } = sizes;
  const [dys, xs, bs, cs] = [inFours('dy', dy, P), inFours('x', x, P), inFours('b', b, N), inFours('c', c, N)];
  const dxs = dx.used ? inFours('dx', dx, P, 'both') : undefined;
  const dbs = db.used ? inFours('db', db, N, 'both') : undefined;
  const { channels, entries, state } = sources(sizes);
  const [depth, width] = [Math.min(chunk, TILE), Math.min(P, TILE)];
  const ofX = dx.used || wanted.direct;
  const ofColumns = wanted.alpha && tiles > 1;
  const after = wanted.alpha && dStates !== undefined;
  const fromPairs = ofX || db.used || ofColumns;
  const fromState = dStates !== undefined && (ofX || db.used || after);
  const ss = fromState ? inFours('states', dStates.states, N) : undefined;

  /** dx, x·dX̃ and, the first time, x·dy from a part s of dX̃ */
  const keepX = (first: string): string => lines(
    dx.used && tiling.eachRow((i) => `    if (${tiling.row(i)} < own_rows) {
      let row = ((own_token + ${tiling.row(i)}) * ${H}u + h) * ${P}u;
      var sum = own_dt[${tiling.four(i)}][${i % 4}] * s${i};
      if (${first}) { sum += d_data[h] * read_dy(row, channel + 4u * tx); } else { sum += read_dx(row, channel + 4u * tx); }
      write_dx(row, channel + 4u * tx, sum);
    }`),
    wanted.direct && lines(tiling.putRows((i) => `dot(s${i}, ${atRow('x', i)})`), keepSum(sizes, PLANES.direct, 'row_sum(lane)', first)),
  );
  const atRow = (name: string, i: number) => channels(name, 'own').four(`min(${tiling.row(i)}, own_rows - 1u)`, '4u * tx');
  const along = (first: string) => wanted.along && lines(`  if (${first}) {`, tiling.putRows((i) => `dot(${atRow('x', i)}, ${atRow('dy', i)})`), keepSum(sizes, PLANES.along, 'row_sum(lane)', 'true'), `  }`);

  return {
    name: 'ssd_written_gradient',
    bindings: {
      ...dys.bindings, ...xs.bindings, ...bs.bindings, ...cs.bindings, ...dxs?.bindings, ...dbs?.bindings, ...ss?.bindings, dt_data: dt, a_data: a,
      ...(dx.used ? { d_data: d } : {}), ...(wanted.direct || wanted.along || ofColumns || after ? { sums_data: sums } : {}),
    },
    tasks: B * chunks * tiles * G * Math.ceil(units / per),
    code: tileKernel(
      tiling, poolSize([depth, N, width], true),
      [
        decayFunctions(sizes), dys.functions, xs.functions, bs.functions, cs.functions, dxs?.functions ?? '', dbs?.functions ?? '', ss?.functions ?? '', rowSumFunctions,
        `var<workgroup> factor: array<f32, ${TILE}>;`, tiles > 1 ? `var<workgroup> between_of: array<f32, ${per}>;` : '',
      ],
      lines(
        tileTask(sizes, per),
        tiles > 1 && `  if (lane < ${per}u) { between_of[lane] = 0f; }`,
        !fromPairs && lines(`  for (var u = 0u; u < units; u++) {`, unitOf(sizes), along('true'), `  }`),
        fromPairs && lines(
          `  for (var k = own; k < existing; k++) {`,
          otherTile,
          tiling.zero('p'),
          tiling.productOfRows('p', entries('b', 'own'), entries('c', 'other'), N),
          db.used && tiling.zero('g'),
          `  for (var u = 0u; u < units; u++) {`,
          unitOf(sizes),
          `  workgroupBarrier();`,
          `  load_decays(lane, own_token, own_rows, other_token, other_rows, h);`,
          db.used || ofColumns
            ? lines(tiling.zero('w'), tiling.productOfRows('w', channels('x', 'own'), channels('dy', 'other'), width), `  workgroupBarrier();`)
            : `  workgroupBarrier();`,
          tiles > 1 ? `  let between = between_of[u];` : `  let between = 0f;`,
          decayRows(tiling, 'written', (i) => lines(
            (db.used || ofColumns) && `  w${i} *= m * own_dt[${tiling.four(i)}][${i % 4}];`,
            db.used && `  g${i} += w${i};`,
            ofX && tiling.putRow(i, `m * p${i}`),
          )),
          ofColumns && lines(
            `  if (!diagonal) {`,
            tiling.putRows((i) => `dot(w${i}, p${i})`),
            `  if (lane < ${TILE}u) { factor[lane] = row_sum(lane); }`,
            keepSum(sizes, PLANES.columns, 'factor[lane]', 'k == own + 1u'),
            `  workgroupBarrier();
  if (lane == 0u) {
    var whole = 0f;
    for (var s = 0u; s < ${TILE}u; s++) { whole += factor[s]; }
    sums_data[${totalAt(sizes, '(first_unit + u)', 'k', 'own')}] = whole;
  }`,
            `  }`,
          ),
          ofX && lines(tiling.zero('s'), tiling.productOfColumns('s', undefined, channels('dy', 'other'), depth), keepX('diagonal')),
          along('diagonal'),
          tiles > 1 && `  workgroupBarrier();\n  if (lane == 0u && !diagonal) { between_of[u] = between + other_sum(0u, ${TILE / 4}u); }`,
          `  }`,
          db.used && lines(
            `  workgroupBarrier();`,
            tiling.eachRow((i) => tiling.putRow(i, `g${i}`)),
            eachColumn(sizes, lines(tiling.zero('s'), tiling.productOfColumns('s', undefined, entries('c', 'other', { first: 'entry' }), depth), keepEntries('db', sizes, 'diagonal'))),
          ),
          `  }`,
        ),
        fromState && lines(
          `  if (chunk < ${chunks - 1}u) {`,
          `  for (var u = 0u; u < units; u++) {`,
          unitOf(sizes),
          `  workgroupBarrier();
  load_decays(lane, own_token, own_rows, own_token, own_rows, h);
  workgroupBarrier();
  if (lane < ${TILE}u) { factor[lane] = exp(${tiles > 1 ? 'between_of[u] + ' : ''}after(lane)); }`,
          ofX && lines(tiling.zero('s'), tiling.productOfRows('s', entries('b', 'own', { scale: 'factor' }), state('states', 'chunk', '0u'), N), keepX('false')),
          (db.used || after) && lines(
            `  workgroupBarrier();
  if (lane < ${TILE}u) { factor[lane] *= own_dt[lane / 4u][lane % 4u]; }`,
            eachColumn(sizes, lines(
              tiling.zero('s'),
              tiling.productOfColumns('s', channels('x', 'own', 'factor'), state('states', 'chunk', 'entry'), width),
              after && lines(
                tiling.putRows((i) => `dot(s${i}, ${entries('b', 'own', { first: 'entry' }).four(`min(${tiling.row(i)}, own_rows - 1u)`, '4u * tx')})`),
                keepSum(sizes, PLANES.after, 'row_sum(lane)', 'entry == 0u'),
              ),
              db.used && keepEntries('db', sizes, 'false'),
            )),
          ),
          `  }`,
          `  }`,
        ),
      ),
    ),
  };
}

/** Of SsdGradient: dy and the six operands → the six gradients, in chunks. */
export function chunkedGradient(lowering: WebgpuLowering, whole: Sizes, chunk: number): void {
  const [dy, x, dt, a, b, c, d] = lowering.inputs;
  const [dx, ddt, da, db, dc, dd] = lowering.outputs;
  const sizes = cut(whole, chunk, lowering.gpu);
  const { B, H, G, chunks, tiles, units } = sizes;
  const wanted: Wanted = { alpha: ddt.used || da.used, direct: ddt.used, along: dd.used };
  const states = wanted.alpha || dc.used ? statesBetween(lowering, sizes, { dt, a, v: x, w: b, backwards: false }) : undefined;
  const dStates = wanted.alpha || dx.used || db.used ? statesBetween(lowering, sizes, { dt, a, v: dy, w: c, backwards: true }) : undefined;
  const per = unitsPerTask(sizes, B * chunks * tiles * G);
  const blocks = Math.ceil(units / per);
  const sums = lowering.buffer(sumsSize(sizes));
  const operands = { dy, x, dt, a, b, c, d };
  if (dc.used || wanted.alpha) {
    const { share, add } = inShares(lowering, blocks, dc);
    lowering.dispatch(readingKernel(sizes, operands, { dc: share, sums, alpha: wanted.alpha, per, ...(states && { states }) }));
    add();
  }
  if (dx.used || db.used || dd.used || wanted.direct || (wanted.alpha && (tiles > 1 || dStates !== undefined))) {
    const { share, add } = inShares(lowering, blocks, db);
    lowering.dispatch(writtenKernel(sizes, operands, { dx, db: share, sums, wanted, per, ...(dStates && { dStates }) }));
    add();
  }
  if (!wanted.alpha && !wanted.along) return;
  const through = wanted.alpha && chunks > 2 ? lowering.buffer(B, chunks, H) : undefined;
  if (through !== undefined) lowering.dispatch(throughKernel(sizes, states!.states, dStates!.states, states!.across, through));
  decayGradient(lowering, sizes, { dt, a, sums, stateful: chunks > 1, ...(through && { through }) });
}
