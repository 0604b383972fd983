/** Numbers as the tables show them. What was not measured is empty. */
import { formatNumber } from '../../ticks.ts';

type Maybe = number | null | undefined;

/** 0.8125 → 81.3 */
export function percent(x: Maybe): string {
  return x === null || x === undefined ? '' : (100 * x).toFixed(1);
}

/** 0.21291 → 0.213 */
export function loss(x: Maybe): string {
  return x === null || x === undefined ? '' : x < 0.001 && x > 0 ? formatNumber(x) : x.toFixed(3);
}

/** 10522122 → 10.5M, with as many digits in every row */
export function count(x: Maybe): string {
  if (x === null || x === undefined) return '';
  const [divisor, suffix] = x >= 999.5e9 ? [1e12, 'T'] : x >= 999.5e6 ? [1e9, 'G'] : x >= 999.5e3 ? [1e6, 'M'] : x >= 1e3 ? [1e3, 'k'] : [1, ''];
  return divisor === 1 ? formatNumber(x) : `${(x / divisor).toPrecision(3)}${suffix}`;
}

/** 0.0031623 → 0.00316, 0.00001 → 1e-5 */
export function rate(x: Maybe): string {
  return x === null || x === undefined ? '' : x < 1e-4 ? formatNumber(x) : String(Number(x.toPrecision(3)));
}

export function number(x: Maybe): string {
  return x === null || x === undefined ? '' : formatNumber(x);
}

/** 26.1 → 26 s, 3725 → 1 h 02 min */
export function duration(seconds: Maybe): string {
  if (seconds === null || seconds === undefined) return '';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}

/** Milliseconds with four digits, micro- and nanoseconds where they are few. */
export function milliseconds(ms: Maybe): string {
  if (ms === null || ms === undefined) return '';
  return ms < 0.1 ? `${Number((1000 * ms).toPrecision(3))} µs` : `${Number(ms.toPrecision(4))} ms`;
}

/** "2026-11-23 18:09:13 UTC" */
export function moment(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`;
}
