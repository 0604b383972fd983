/** Sums over many invocations and workgroups in WGSL, always in the same order. */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines } from '#engine/webgpu/wgsl.ts';

/** invocations of a workgroup */
export const SIZE = 256;
/** Columns that a workgroup adds up. Few: the partials lie in the cache, and what counts is how many are on their way at a time. */
const COLUMNS = 4;
const ROWS = SIZE / COLUMNS;

/** Where `count` workgroups write their share of `out`: a buffer [count, …], or `out` itself where one share is all or nobody reads it. */
export function partials(lowering: WebgpuLowering, count: number, out: Operand): Operand {
  return count === 1 || !out.used ? out : lowering.buffer(count, ...out.shape);
}

/** One sum over shares: `shares` is what `partials` gave for `count` workgroups and `out`. */
export interface PartialSum {
  readonly shares: Operand;
  readonly count: number;
  readonly out: Operand;
}

/** out = Σ over the first axis of the shares, for all sums in one launch. */
export function sumPartials(lowering: WebgpuLowering, sums: readonly PartialSum[]): void {
  const due = sums.filter(({ shares, out }) => shares !== out);
  if (due.length === 0) return;
  const bindings: Record<string, GpuBinding> = {};
  let tasks = 0;
  const parts = due.map(({ shares, count, out }, k) => {
    bindings[`shares${k}`] = shares;
    bindings[`out${k}`] = out;
    const size = sizeOf(out.shape);
    const first = tasks;
    tasks += Math.ceil(size / COLUMNS);
    const whole = Math.floor(count / ROWS);
    const share = (row: string) => `shares${k}[(${row}) * ${size}u + i${k}]`;
    return {
      load: lines(
        `  let i${k} = (task - ${first}u) * ${COLUMNS}u + lane % ${COLUMNS}u;`,
        `  let mine${k} = task >= ${first}u && i${k} < ${size}u;`,
        `  if (mine${k}) {`,
        whole > 0 && `    for (var k = 0u; k < ${whole}u; k++) { s += ${share(`k * ${ROWS}u + row`)}; }`,
        count % ROWS !== 0 && `    if (${whole * ROWS}u + row < ${count}u) { s += ${share(`${whole * ROWS}u + row`)}; }`,
        '  }',
      ),
      store: `  if (mine${k} && row == 0u) { out${k}[i${k}] = part[lane]; }`,
    };
  });
  lowering.dispatch({
    name: 'sum_partials',
    bindings,
    tasks,
    code: lines(
      `var<workgroup> part: array<f32, ${SIZE}>;`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      '  let task = task_of(group);',
      '  if (task >= TASKS) { return; }',
      `  let row = lane / ${COLUMNS}u;`,
      '  var s = 0f;',
      parts.map(({ load }) => load),
      '  part[lane] = s;',
      `  for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {`,
      '    workgroupBarrier();',
      `    if (row < half) { part[lane] += part[lane + half * ${COLUMNS}u]; }`,
      '  }',
      parts.map(({ store }) => store),
      '}',
    ),
  });
}

/**
 * Text that adds `value` over the invocations of a workgroup that are `width` apart: the first `width` of them then run `store`, which finds
 * the result in `sum`. To be used in uniform control flow, beside `var<workgroup> rows: array<T, SIZE>` of the value's type.
 */
export function sumRows(width: number, value: string, store: string): string {
  return lines(
    '  workgroupBarrier();',
    `  rows[lane] = ${value};`,
    '  workgroupBarrier();',
    `  if (lane < ${width}u) {`,
    '    var sum = rows[lane];',
    width < SIZE && `    for (var row = 1u; row < ${SIZE / width}u; row++) { sum += rows[row * ${width}u + lane]; }`,
    `    ${store}`,
    '  }',
  );
}
