/** Segments of a mixture, briefly. */

/** One segment: task options and how many examples. */
export const segment = (options: Record<string, unknown>, examples: number) => ({ options, examples });

/** `count` values from 10^from to 10^to, evenly spaced in the exponent. */
export function logspace(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 10 ** (from + ((to - from) * i) / (count - 1)));
}
