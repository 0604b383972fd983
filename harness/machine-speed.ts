/**
 * How fast the machine is at the moment, whatever code is measured: the time of a fixed loop in plain JavaScript. Neighbours on a shared
 * machine (another virtual machine on the other half of a core, a process that takes turns) slow it as they slow a kernel, so that
 * a time taken right after it can be judged relative to it (the idea of duet benchmarking, Bulej et al. 2020).
 */

const xs = Float64Array.from({ length: 1024 }, (_, i) => Math.sin(i));
/** passes over the array: some 0.15 ms */
const PASSES = 200;
/** calls before the loop is compiled for good */
const WARM = 200;

let sink = 0;
let warm = false;

// eight sums side by side keep the units of arithmetic busy, as kernels do: a chain of one would not notice who shares them
function loop(): void {
  let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < xs.length; i += 8) {
      a += xs[i] * xs[i];
      b += xs[i + 1] * xs[i + 1];
      c += xs[i + 2] * xs[i + 2];
      d += xs[i + 3] * xs[i + 3];
      e += xs[i + 4] * xs[i + 4];
      f += xs[i + 5] * xs[i + 5];
      g += xs[i + 6] * xs[i + 6];
      h += xs[i + 7] * xs[i + 7];
    }
  }
  sink += a + b + c + d + e + f + g + h;
}

/** Milliseconds of the loop now. */
export function referenceMs(): number {
  for (; !warm; warm = true) for (let i = 0; i < WARM; i++) loop();
  const began = performance.now();
  loop();
  const ms = Math.max(1e-6, performance.now() - began);
  // what nobody uses need not be computed
  return sink === Infinity ? NaN : ms;
}
