/**
 * The gradients of the chunked and the quadratic form of SSD as WGSL. Letters: X̃ = dt·x, W = decay ∘ C Bᵀ, dP = decay ∘ dW (summed over
 * heads); a pair of tiles has reading tokens t, its rows, and written tokens s ≤ t, its columns.
 *
 * A chunk of one tile has one pair and one task, which makes all gradients. Otherwise there are two launches: in one a task owns a tile of
 * reading tokens (the gradient of c), in the other one of written tokens (those of x and b); both make C Bᵀ and dW = dY X̃ᵀ. What is summed
 * over pairs of tiles is added up in memory by the invocation that owns it. All is linear in a head's channels, so units of 64 channels are
 * like heads.
 */
import type { GpuKernel, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';
import { cut, pairOf, sources, statesBetween, tileTask, unitOf, unitsPerTask, type Cut, type States } from './webgpu-chunked.ts';
import { decayFunctions, decayRows } from './webgpu-decays.ts';
import { decayGradient, PLANES, planeAt, sumShares, sumsSize, throughKernel, totalAt } from './webgpu-sums.ts';
import { addProduct, byColumns, byRows, DOWN, eachRow, fetchSlice, inFours, putRows, putTileRow, rowOf, rowSumFunction, TILE, tileKernel, wholeProduct, zero, type Product } from './webgpu-tiles.ts';

type Inputs = Record<'dy' | 'x' | 'dt' | 'heads' | 'b' | 'c', Operand>;

/** Which sums the gradients of dt, a and d need. */
interface Wanted {
  /** of α: for ddt or da */
  readonly alpha: boolean;
  /** x·dX̃, for ddt */
  readonly direct: boolean;
  /** x·dy, for dd */
  readonly along: boolean;
}

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
function keepEntries(name: string, { B, L, G, N }: Cut): string {
  return eachRow((i) => `    if (${rowOf(i)} < own_rows) {
      let row = (block * ${B * L}u + own_token + ${rowOf(i)}) * ${G * N}u + shared_by * ${N}u;
      if (!diagonal) { s${i} += read_${name}(row, entry + 4u * tx); }
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

/** Whether a task owns a tile of reading tokens t, one of written tokens s, or a chunk's only tile, which is both. */
type Role = 'reading' | 'written' | 'both';

/**
 * For a tile of reading tokens, dc = Σ_j dP B_j + decay from the chunk's start ∘ (dY S); and for each α_t the sum of w ∘ dw over the pairs
 * around it within the tiles of these rows, and of what comes from the state before the chunk. For a tile of written tokens,
 * dX̃ = Σ_i W_iᵀ dY_i + decay to the chunk's end ∘ (B dSᵀ) and db = Σ_i dPᵀ C_i + decay to the end ∘ (X̃ dS); and what α_s gets from
 * pairs with later tiles (sums of columns and of whole tiles), and from what goes to the state after the chunk.
 */
function pairsKernel(
  sizes: Cut, { dy, x, dt, heads, b, c }: Inputs, role: Role,
  { dx, db, dc, states, dStates, sums, wanted, per }: { dx: Operand; db: Operand; dc: Operand; states?: States; dStates?: States; sums: Operand; wanted: Wanted; per: number },
) {
  const { B, H, P, G, N, chunk, chunks, tiles, units } = sizes;
  const { channels, entries, state } = sources(sizes);
  const [depth, width] = [Math.min(chunk, TILE), Math.min(P, TILE)];
  const [reads, writes] = [role !== 'written', role !== 'reading'];

  const ofDc = reads && dc.used;
  const ofRows = reads && wanted.alpha;
  const before = states !== undefined && (ofDc || ofRows);
  const after = writes && wanted.alpha && dStates !== undefined;
  const ofX = writes && (dx.used || wanted.direct || after);
  const ofDb = writes && db.used;
  const fromAfter = dStates !== undefined && (ofX || ofDb);
  const ofColumns = writes && wanted.alpha && tiles > 1;
  const ofW = ofDc || ofDb || ofRows || ofColumns;
  const [direct, along] = [writes && wanted.direct, writes && wanted.along];

  const [dys, xs, bs, cs] = [inFours('dy', dy, P), inFours('x', x, P), inFours('b', b, N), inFours('c', c, N)];
  const dxs = ofX && dx.used ? inFours('dx', dx, P, 'both') : undefined;
  const dbs = ofDb ? inFours('db', db, N, 'both') : undefined;
  const dcs = ofDc ? inFours('dc', dc, N, 'both') : undefined;
  const ss = before ? inFours('states', states.states, N) : undefined;
  const dss = fromAfter ? inFours('gradients', dStates.states, N) : undefined;

  const products: Product = { left: byRows(entries('c', 'reading')), right: byRows(entries('b', 'written')), depth: N };
  const ofDecays: Product = { left: byRows(channels('dy', 'reading')), right: byRows(channels('x', 'written')), depth: width };
  const toX: Product = { left: 'turned', right: byColumns(channels('dy', 'reading')), depth };
  const afterToX: Product = { left: byRows(entries('b', 'written', { scale: 'factor' })), right: byRows(state('gradients', 'chunk')), depth: N };
  const toC: Product = { left: 'whole', right: byColumns(entries('b', 'written', { first: 'entry' })), depth };
  const beforeToC: Product = { left: byRows(channels('dy', 'reading', 'factor')), right: byColumns(state('states', '(chunk - 1u)', 'entry')), depth: width };
  const toB: Product = { left: 'turned', right: byColumns(entries('c', 'reading', { first: 'entry' })), depth };
  const afterToB: Product = { left: byRows(channels('x', 'written', 'factor')), right: byColumns(state('gradients', 'chunk', 'entry')), depth: width };

  // the states come with the last pair, when all that lies between is known
  const lastReading = `chunk > 0u && k == 0u`;
  const lastWritten = `chunk < ${chunks - 1}u && k + 1u == existing`;
  const fetchX = !ofX ? '' : fromAfter ? lines(`  if (${lastWritten}) {`, fetchSlice(afterToX), `  } else {`, fetchSlice(toX), `  }`) : fetchSlice(toX);
  const atRow = (name: 'x' | 'dy', i: number) => channels(name, 'own').four(`min(${rowOf(i)}, own_rows - 1u)`, '4u * tx');
  const entryAtRow = (i: number) => entries('c', 'own', { first: 'entry' }).four(`min(${rowOf(i)}, own_rows - 1u)`, '4u * tx');
  const loadDecays = `  load_decays(lane, reading_token, reading_rows, written_token, written_rows, h);`;
  const downwards = [3, 2, 1, 0];

  /** Adds the products with the states of all units to s. */
  const eachState = (last: string, product: Product, factor: string, r: string, then: string) => lines(
    `  if (${last}) {`,
    `  for (var u = 0u; u < units; u++) {`,
    unitOf(sizes),
    fetchSlice(product),
    `  workgroupBarrier();`,
    loadDecays,
    `  workgroupBarrier();`,
    `  if (lane < ${TILE}u) { factor[lane] = ${factor}; }`,
    r === 'w' && zero('w'),
    addProduct(r, product),
    then,
    `  }`,
    `  }`,
  );

  /** products with states need the place of dP, which is put there again for each that it is a factor of */
  const putG = lines(`  workgroupBarrier();`, eachRow((i) => putTileRow(i, `g${i}`)));

  const pair = lines(
    (ofX || ofRows || ofColumns) && lines(zero('p'), wholeProduct('p', products)),
    (ofDc || ofDb) && zero('g'),
    `  for (var u = 0u; u < units; u++) {`,
    unitOf(sizes),
    ofW ? fetchSlice(ofDecays) : fetchX,
    `  workgroupBarrier();`,
    loadDecays,
    ofW ? lines(zero('w'), addProduct('w', ofDecays, fetchX)) : `  workgroupBarrier();`,
    tiles > 1
      ? `  let between = between_of[u];\n  let beyond = between + select(${role === 'reading' ? 'written' : 'reading'}_sum(0u, ${TILE / 4}u), 0f, diagonal);`
      : `  let between = 0f;\n  let beyond = 0f;`,
    ofX && lines(
      zero('s'),
      after && eachRow((i) => `  var after${i} = 0f;`),
      fromAfter && lines(
        `  if (${lastWritten}) {`,
        `  if (lane < ${TILE}u) { factor[lane] = exp(beyond + after(lane)); }`,
        addProduct('s', afterToX, fetchSlice(toX)),
        after && eachRow((i) => `  after${i} = dot(s${i}, ${atRow('x', i)});`),
        `  }`,
      ),
      `  workgroupBarrier();`,
    ),
    // w becomes w ∘ dw
    decayRows((i) => lines(
      ofW && `  w${i} *= m * written_dt[tx];`,
      (ofDc || ofDb) && `  g${i} += w${i};`,
      ofX && putTileRow(i, `m * p${i}`),
      (ofRows || ofColumns) && `  w${i} *= p${i};`,
    )),
    tiles > 1 && `  workgroupBarrier();\n  if (lane == 0u) { between_of[u] = beyond; }`,
    (ofRows || ofColumns) && lines(
      `  workgroupBarrier();`,
      `  pool[ty * 16u + tx] = ${downwards.map((i) => `w${i}`).join(' + ')};`,
      `  workgroupBarrier();`,
    ),
    ofColumns && lines(
      `  if (!diagonal) {`,
      `  if (lane < ${TILE}u) {
    var sum = 0f;
    for (var y = 0u; y < ${DOWN}u; y++) { sum += pool[y * 16u + lane / 4u][lane % 4u]; }
    factor[lane] = sum;
  }`,
      keepSum(sizes, PLANES.columns, 'factor[lane]', 'k == own + 1u'),
      `  workgroupBarrier();
  if (lane == 0u) {
    var whole = 0f;
    for (var s = 0u; s < ${TILE}u; s++) { whole += factor[s]; }
    sums_data[${totalAt(sizes, '(first_unit + u)', 'k', 'own')}] = whole;
  }
  workgroupBarrier();`,
      `  }`,
    ),
    ofRows && lines(
      // rows below within a column first, then columns before the row's own token
      lines(
        `  var below = vec4f(0);`,
        repeat(DOWN - 1, (y) => `  below += select(vec4f(0), pool[${(DOWN - 1 - y) * 16}u + tx], ty < ${DOWN - 1 - y}u);`),
        downwards.map((i) => `  below += w${i};\n  w${i} = select(vec4f(0), below, vec4<bool>(!diagonal) | (columns < vec4u(${rowOf(i)})));`),
      ),
      putRows((i) => `dot(w${i}, vec4f(1))`),
      keepSum(sizes, PLANES.rows, 'row_sum(0u, lane)', 'diagonal'),
    ),
    ofX && lines(
      addProduct('s', toX),
      dx.used && eachRow((i) => `  if (${rowOf(i)} < own_rows) {
    let row = ((own_token + ${rowOf(i)}) * ${H}u + h) * ${P}u;
    var sum = written_dt[ty][${i}] * s${i};
    if (diagonal) { sum += a_data[${H}u + h] * read_dy(row, channel + 4u * tx); } else { sum += read_dx(row, channel + 4u * tx); }
    write_dx(row, channel + 4u * tx, sum);
  }`),
    ),
    (direct || along || after) && lines(
      putRows(
        (i) => (direct ? `dot(s${i}, ${atRow('x', i)})` : '0f'),
        (i) => (along ? `dot(${atRow('dy', i)}, ${atRow('x', i)})` : '0f'),
        (i) => (after ? `after${i}` : '0f'),
      ),
      direct && keepSum(sizes, PLANES.direct, 'row_sum(0u, lane)', 'diagonal'),
      along && lines(`  if (diagonal) {`, keepSum(sizes, PLANES.along, 'row_sum(1u, lane)', 'true'), `  }`),
      after && lines(`  if (${lastWritten}) {`, keepSum(sizes, PLANES.after, 'written_dt[lane / 4u][lane % 4u] * row_sum(2u, lane)', 'true'), `  }`),
    ),
    `  }`,
    (ofDc || before) && eachColumn(sizes, lines(
      zero('s'),
      ofDc && lines(putG, wholeProduct('s', toC)),
      before && eachState(lastReading, beforeToC, `exp(${tiles > 1 ? 'between_of[u] + ' : ''}before_and_at(lane))`, 'w', lines(
        eachRow((i) => `  s${i} += w${i};`),
        ofRows && lines(putRows((i) => `dot(w${i}, ${entryAtRow(i)})`), keepSum(sizes, PLANES.before, 'row_sum(0u, lane)', 'entry == 0u')),
      )),
      ofDc && keepEntries('dc', sizes),
    )),
    ofDb && eachColumn(sizes, lines(
      zero('s'),
      putG,
      wholeProduct('s', toB),
      fromAfter && eachState(lastWritten, afterToB, `exp(${tiles > 1 ? 'between_of[u] + ' : ''}after(lane)) * written_dt[lane / 4u][lane % 4u]`, 's', ''),
      keepEntries('db', sizes),
    )),
  );

  return {
    name: role === 'both' ? 'ssd_chunk_gradient' : `ssd_${role}_gradient`,
    bindings: {
      ...dys.bindings, ...xs.bindings, ...bs.bindings, ...cs.bindings, ...dxs?.bindings, ...dbs?.bindings, ...dcs?.bindings, ...ss?.bindings, ...dss?.bindings, dt_data: dt, a_data: heads,
      ...(ofRows || direct || along || ofColumns || after ? { sums_data: sums } : {}),
    },
    tasks: B * chunks * tiles * G * Math.ceil(units / per),
    code: tileKernel(
      [
        decayFunctions(sizes), ...[dys, xs, bs, cs, dxs, dbs, dcs, ss, dss].map((operand) => operand?.functions ?? ''), rowSumFunction,
        `var<workgroup> factor: array<f32, ${TILE}>;`, tiles > 1 ? `var<workgroup> between_of: array<f32, ${per}>;` : '',
      ],
      lines(
        tileTask(sizes, per),
        tiles > 1 && `  if (lane < ${per}u) { between_of[lane] = 0f; }`,
        role === 'both' && lines(`  let k = own;`, pairOf('own', 'own'), pair),
        role === 'reading' && lines(`  for (var step = 0u; step <= own; step++) {`, `  let k = own - step;`, pairOf('own', 'k'), pair, `  }`),
        role === 'written' && lines(`  for (var k = own; k < existing; k++) {`, pairOf('k', 'own'), pair, `  }`),
      ),
    ),
  };
}

/** a and d one after the other: the kernel has few bindings left. */
function inOne(a: Operand, d: Operand, H: number, heads: Operand): GpuKernel {
  return {
    name: 'ssd_join',
    bindings: { a_data: a, d_data: d, heads_data: heads },
    tasks: Math.ceil(H / 64),
    code: `
@compute @workgroup_size(64) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let h = task_of(group) * 64u + lane;
  if (h >= ${H}u) { return; }
  heads_data[h] = a_data[h];
  heads_data[${H}u + h] = d_data[h];
}`,
  };
}

/** Of SsdGradient: dy and the six operands → the six gradients, in chunks. */
export function chunkedGradient(lowering: WebgpuLowering, whole: Sizes, chunk: number): void {
  const [dy, x, dt, a, b, c, d] = lowering.inputs;
  const [dx, ddt, da, db, dc, dd] = lowering.outputs;
  const sizes = cut(whole, chunk);
  const { B, H, G, chunks, tiles, units } = sizes;
  const wanted: Wanted = { alpha: ddt.used || da.used, direct: ddt.used, along: dd.used };
  const states = wanted.alpha || dc.used ? statesBetween(lowering, sizes, { dt, a, v: x, w: b, backwards: false }) : undefined;
  const dStates = wanted.alpha || dx.used || db.used ? statesBetween(lowering, sizes, { dt, a, v: dy, w: c, backwards: true }) : undefined;
  const per = unitsPerTask(sizes, B * chunks * tiles * G);
  const blocks = Math.ceil(units / per);
  const sums = lowering.buffer(sumsSize(sizes));
  const [ofB, ofC] = [inShares(lowering, blocks, db), inShares(lowering, blocks, dc)];
  const heads = lowering.buffer(2, H);
  lowering.dispatch(inOne(a, d, H, heads));
  const launch = (role: Role) => lowering.dispatch(pairsKernel(
    sizes, { dy, x, dt, heads, b, c }, role, { dx, db: ofB.share, dc: ofC.share, sums, wanted, per, ...(states && { states }), ...(dStates && { dStates }) },
  ));
  const reads = dc.used || wanted.alpha;
  const writes = dx.used || db.used || wanted.along || wanted.direct || (wanted.alpha && (tiles > 1 || dStates !== undefined));
  if (tiles === 1 && reads && writes) launch('both');
  else {
    if (reads) launch('reading');
    if (writes) launch('written');
  }
  ofB.add();
  ofC.add();
  if (!wanted.alpha && !wanted.along) return;
  const through = wanted.alpha && chunks > 2 ? lowering.buffer(B, chunks, H) : undefined;
  if (through !== undefined) lowering.dispatch(throughKernel(sizes, states!.states, dStates!.states, states!.across, through));
  decayGradient(lowering, sizes, { dt, a, sums, stateful: chunks > 1, ...(through && { through }) });
}
