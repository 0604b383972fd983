import { expect, test } from 'vitest';
import fc from 'fast-check';
import { rng } from '#core/random.ts';
import { Urn } from './urn.ts';

/** Every order of n balls with its probability under one-at-a-time draws: w_a/W · w_b/(W−w_a) · … */
function orders(weights: number[]): Map<string, number> {
  const law = new Map<string, number>();
  const walk = (drawn: number[], p: number) => {
    const inside = weights.map((_, i) => i).filter((i) => !drawn.includes(i));
    const total = inside.reduce((sum, i) => sum + weights[i], 0);
    if (inside.length === 0) law.set(drawn.join(), p);
    for (const i of inside) walk([...drawn, i], (p * weights[i]) / total);
  };
  walk([], 1);
  return law;
}

test.each([[[1]], [[1, 1]], [[5, 1, 2]], [[5, 1, 3, 2]], [[1, 0.5, 1 / 3, 0.25, 0.2]]])('the order of draws follows the law: weights %j', (weights) => {
  const n = 100_000;
  const urn = new Urn(weights);
  const stream = rng(21);
  const counts = new Map<string, number>();
  for (let i = 0; i < n; i++) {
    urn.refill();
    const order = weights.map(() => urn.draw(stream)).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  const law = orders(weights);
  let statistic = 0;
  for (const [order, p] of law) statistic += ((counts.get(order) ?? 0) - n * p) ** 2 / (n * p);
  const freedom = law.size - 1;
  expect([...counts.keys()].every((order) => law.has(order))).toBe(true);
  // as a standard normal score (Wilson & Hilferty 1931)
  if (freedom > 0) expect((Math.cbrt(statistic / freedom) - 1 + 2 / (9 * freedom)) / Math.sqrt(2 / (9 * freedom))).toBeLessThan(4);
});

test('n draws take out every ball once, however unequal the weights', () => {
  const weight = fc.double({ min: 1e-12, max: 1e12, noNaN: true });
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), fc.nat(), (weights, seed) => {
      const urn = new Urn(weights);
      const stream = rng(seed);
      for (let round = 0; round < 2; round++) {
        urn.refill();
        const drawn = weights.map(() => urn.draw(stream)).sort((a, b) => a - b);
        expect(drawn).toEqual(weights.map((_, i) => i));
      }
    }),
  );
});
