import { describe, expect, test } from 'vitest';
import { alternating, cyclic, directProduct, symmetric, type Group } from './groups.ts';

/** How many elements have each order: what tells these groups apart. */
function elementOrders({ order, table }: Group): Record<number, number> {
  const counts: Record<number, number> = {};
  for (let a = 0; a < order; a++) {
    let [power, k] = [a, 1];
    for (; power !== 0; k++) power = table[order * power + a];
    counts[k] = (counts[k] ?? 0) + 1;
  }
  return counts;
}

/** Size of the subgroup that the commutators a·b·a⁻¹·b⁻¹ generate: 1 for a commutative group, all of it for a perfect one. */
function commutatorSubgroup({ order, table }: Group): number {
  const times = (a: number, b: number) => table[order * a + b];
  const inverse = Array.from({ length: order }, (_, a) => table.subarray(order * a, order * (a + 1)).indexOf(0));
  const found = new Set([0]);
  for (let a = 0; a < order; a++) for (let b = 0; b < order; b++) found.add(times(times(a, b), times(inverse[a], inverse[b])));
  for (const a of found) for (const b of found) found.add(times(a, b));
  return found.size;
}

describe.each<[string, Group, number, Record<number, number>, number]>([
  ['A5', alternating(5), 60, { 1: 1, 2: 15, 3: 20, 5: 24 }, 60],
  ['S5', symmetric(5), 120, { 1: 1, 2: 25, 3: 20, 4: 30, 5: 24, 6: 20 }, 60],
  ['Z60', cyclic(60), 60, { 1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 2, 10: 4, 12: 4, 15: 8, 20: 8, 30: 8, 60: 16 }, 1],
  ['A4 × Z5', directProduct(alternating(4), cyclic(5)), 60, { 1: 1, 2: 3, 3: 8, 5: 4, 10: 12, 15: 32 }, 4],
])('%s', (_, g, order, orders, commutators) => {
  test('closed, with an identity at 0, and every element once in each row and column', () => {
    expect(g.order).toBe(order);
    const all = Array.from({ length: order }, (_, i) => i);
    for (const a of all) {
      expect(g.table[a]).toBe(a);
      expect(g.table[order * a]).toBe(a);
      expect(Array.from(g.table.slice(order * a, order * (a + 1))).sort((x, y) => x - y)).toEqual(all);
      expect(all.map((b) => g.table[order * b + a]).sort((x, y) => x - y)).toEqual(all);
    }
  });

  test('associative', () => {
    let wrong = 0;
    for (let a = 0; a < order; a++) {
      for (let b = 0; b < order; b++) {
        const ab = g.table[order * a + b];
        for (let c = 0; c < order; c++) if (g.table[order * ab + c] !== g.table[order * a + g.table[order * b + c]]) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  test('it is that group: the orders of its elements, and its commutators', () => {
    expect(elementOrders(g)).toEqual(orders);
    expect(commutatorSubgroup(g)).toBe(commutators);
  });
});

test('permutations compose from the right: the first is done last', () => {
  const { table } = symmetric(3); // 012 021 102 120 201 210
  expect(table[6 * 1 + 2]).toBe(4); // 021 after 102: 0 → 1 → 2, 1 → 0 → 0, 2 → 2 → 1
});
