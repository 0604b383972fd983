/** Numbers as people read them. A quantity that was not measured is a dash. */

const NONE = '—';

function unmeasured(x: number | null | undefined): x is null | undefined {
  return x === null || x === undefined || !Number.isFinite(x);
}

function scaled(x: number, step: number, units: readonly string[]): string {
  let unit = 0;
  while (Math.abs(x) >= step * 0.9995 && unit < units.length - 1) {
    x /= step;
    unit++;
  }
  return `${unit === 0 ? Math.round(x) : x.toPrecision(3)}${units[unit]}`;
}

/** 1234567 → 1.23M */
export function count(x: number | null | undefined): string {
  return unmeasured(x) ? NONE : scaled(x, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** 8192 → 8.00 KiB */
export function bytes(x: number | null | undefined): string {
  return unmeasured(x) ? NONE : scaled(x, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
}

/** 0.8125 → 81.3 % */
export function percent(x: number | null | undefined): string {
  return unmeasured(x) ? NONE : `${(100 * x).toFixed(1)} %`;
}

/** 0.00123456 → 0.00123 */
export function significant(x: number | null | undefined, digits = 3): string {
  return unmeasured(x) ? NONE : `${Number(x.toPrecision(digits))}`;
}

/** 3725 → 1h 02m */
export function duration(seconds: number | null | undefined): string {
  if (unmeasured(seconds)) return NONE;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  const two = (n: number) => `${n}`.padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  const minutes = Math.round(s / 60);
  return minutes < 1440 ? `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m` : `${Math.floor(minutes / 1440)}d ${two(Math.floor((minutes % 1440) / 60))}h`;
}

/** { seqLen: 64, pairs: 8 } → seqLen 64, pairs 8 */
export function sliceName(slice: Readonly<Record<string, number | string>>): string {
  return Object.entries(slice).map(([key, value]) => `${key} ${value}`).join(', ');
}
