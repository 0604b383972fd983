/** Pieces of WGSL text. */

/** A float32 literal; infinities and NaN, which WGSL has no constants for, as calls of functions in `specials`. */
export function f32(x: number): string {
  const r = Math.fround(x);
  if (Number.isNaN(r)) return 'special(0x7fc00000u)';
  if (r === Infinity) return 'special(0x7f800000u)';
  if (r === -Infinity) return 'special(0xff800000u)';
  return Object.is(r, -0) ? '-0.0f' : `${r}f`;
}

/** What literals of `f32` may call. */
export const specials = 'fn special(bits: u32) -> f32 { var b = bits; return bitcast<f32>(b); }';

/** Joins the lines that are there: `lines('a', false, ['b', 'c'])` is "a\nb\nc". */
export function lines(...parts: readonly (string | false | undefined | readonly string[])[]): string {
  return parts.flatMap((p) => (p === false || p === undefined ? [] : p)).join('\n');
}

/** `text` for 0 … n−1, one a line. */
export function repeat(n: number, text: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => text(i)).join('\n');
}
