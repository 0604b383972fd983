/** The ends of an axis, where its ticks stand, and how numbers are written. */
import type { Axis } from './figure.ts';

export interface Domain {
  min: number;
  max: number;
}

/** The ends of an axis over the values that it must show, with room around them. */
export function domainOf(axis: Axis, values: readonly number[]): Domain {
  const known = values.filter((v) => Number.isFinite(v) && (axis.scale === 'linear' || v > 0));
  const low = known.length === 0 ? 1 : known.reduce((a, b) => Math.min(a, b));
  const high = known.length === 0 ? 2 : known.reduce((a, b) => Math.max(a, b));
  if (axis.scale === 'linear') {
    const step = niceStep((axis.max ?? high) - (axis.min ?? Math.min(0, low)), 6);
    return { min: axis.min ?? Math.floor(Math.min(0, low) / step) * step, max: axis.max ?? high + 0.04 * (high - Math.min(0, low) || 1) };
  }
  // a share of the span on either side, and enough to have a power of the base between the ends
  const base = axis.scale === 'log2' ? 2 : 10;
  const room = Math.max(2 ** (1 / 3), (high / low) ** 0.06, Math.sqrt((1.1 * base * low) / high));
  return { min: axis.min ?? low / room, max: axis.max ?? high * room };
}

/** Round numbers between the ends of an axis, `most` of them at most. */
export function ticksOf(axis: Axis, domain: Domain, most: number): number[] {
  const within = (v: number) => v >= domain.min * (1 - 1e-9) - 1e-12 && v <= domain.max * (1 + 1e-9) + 1e-12;
  if (axis.ticks) return thin(axis.ticks.filter(within), most);
  if (axis.scale === 'linear') {
    const step = niceStep(domain.max - domain.min, most);
    const first = Math.ceil(domain.min / step - 1e-9);
    const last = Math.floor(domain.max / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  }
  const base = axis.scale === 'log2' ? 2 : 10;
  const first = Math.ceil(Math.log(domain.min) / Math.log(base) - 1e-9);
  const last = Math.floor(Math.log(domain.max) / Math.log(base) + 1e-9);
  const powersOfTen = Array.from({ length: last - first + 3 }, (_, i) => 10 ** (first - 1 + i));
  // with hardly a power of ten between the ends, their halves and fifths too
  const between = powersOfTen.flatMap((p) => [1, 2, 5].map((f) => Number((f * p).toPrecision(12)))).filter(within);
  if (base === 10 && last - first < 2 && between.length > 1 && between.length <= most) return between;
  // every 1st, 2nd, 3rd … power, counted from the 0th so that neighbours agree
  for (let stride = 1; ; stride++) {
    const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((p) => p % stride === 0);
    if (powers.length <= Math.max(1, most)) return powers.map((p) => base ** p);
  }
}

/** Every nth tick, so that `most` remain. */
function thin(ticks: readonly number[], most: number): number[] {
  const n = Math.ceil(ticks.length / Math.max(1, most));
  return ticks.filter((_, i) => i % n === 0);
}

/** 1, 2 or 5 times a power of ten, so that a span has `most` steps at most. */
function niceStep(span: number, most: number): number {
  const raw = (span > 0 ? span : 1) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((f) => f * power >= raw * (1 - 1e-9))!;
  return factor * power;
}

/** The numbers of an axis, all with the same decimals unless they are decades apart. */
export function formatTicks(values: readonly number[], unit: Axis['unit']): string[] {
  if (unit === 'bytes') return values.map(formatBytes);
  if (unit === 'count') return values.map(formatCount);
  const texts = values.map(formatNumber);
  const decimals = Math.max(...texts.map((text) => (text.includes('e') ? Infinity : (text.split('.')[1]?.length ?? 0))));
  const apart = values.length > 1 && values[0] > 0 && values[1] / values[0] >= 10;
  return decimals === 0 || decimals === Infinity || apart ? texts : values.map((value) => value.toFixed(decimals));
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${trim(value)} ${units[unit]}`;
}

/** 20000 → "20k", 2.1e9 → "2.1G". */
export function formatCount(value: number): string {
  const [divisor, suffix] = value >= 1e12 ? [1e12, 'T'] : value >= 1e9 ? [1e9, 'G'] : value >= 1e6 ? [1e6, 'M'] : value >= 1e3 ? [1e3, 'k'] : [1, ''];
  return `${trim(value / divisor)}${suffix}`;
}

/** 8192 → "8,192", 0.0003162 → "3.16e-4". */
export function formatNumber(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-2) {
    const [digits, power] = value.toExponential(2).split('e') as [string, string];
    return `${trim(Number(digits))}e${power.replace('+', '')}`;
  }
  if (!Number.isInteger(value)) return trim(value);
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Three digits, without noughts at the end. */
function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}
