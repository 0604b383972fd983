import fc from 'fast-check';
import { expect, test } from 'vitest';
import { paretoFront } from './pareto.ts';

const mark = fc.record({ x: fc.integer({ min: 0, max: 20 }), y: fc.integer({ min: 0, max: 20 }) });

test('the front is what nothing beats, and it rises', () => {
  fc.assert(
    fc.property(fc.array(mark), (marks) => {
      const front = paretoFront(marks);
      const beaten = (m: { x: number; y: number }) => marks.some((o) => o.x <= m.x && o.y >= m.y && (o.x < m.x || o.y > m.y));
      expect(front.some(beaten)).toBe(false);
      // whatever is off the front is beaten, or stands where one of the front does
      for (const m of marks) if (!front.includes(m)) expect(beaten(m) || front.some((f) => f.x === m.x && f.y === m.y)).toBe(true);
      for (const [i, m] of front.slice(1).entries()) expect(m.x > front[i].x && m.y > front[i].y).toBe(true);
    }),
  );
});
