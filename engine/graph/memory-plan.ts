/** Lays tensors with known lifetimes out in one arena: largest first, each at the lowest place free during its life. */

export interface Lifetime {
  readonly bytes: number;
  /** index of the first and last step at which the tensor holds something; both inclusive */
  readonly first: number;
  readonly last: number;
}

/** Offsets in the order of the lifetimes, multiples of `alignment`, and the size of the arena. Tensors that live at the same time never overlap. */
export function planMemory(lifetimes: readonly Lifetime[], alignment = 64): { offsets: number[]; bytes: number } {
  const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || a - b);
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const placed: number[] = [];
  let total = 0;
  for (const i of order) {
    const own = lifetimes[i];
    const size = aligned(own.bytes);
    const busy = placed
      .filter((j) => lifetimes[j].first <= own.last && own.first <= lifetimes[j].last)
      .map((j) => ({ start: offsets[j], end: offsets[j] + aligned(lifetimes[j].bytes) }))
      .sort((a, b) => a.start - b.start);
    let at = 0;
    for (const span of busy) {
      if (span.start - at >= size) break;
      at = Math.max(at, span.end);
    }
    offsets[i] = at;
    placed.push(i);
    total = Math.max(total, at + size);
  }
  return { offsets, bytes: total };
}
