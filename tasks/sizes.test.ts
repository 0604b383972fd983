import { expect, test } from 'vitest';
import { checkSizes, type Rule } from './sizes.ts';

type Sizes = { rows: number; columns: number; room: number };
const rules: Rule<Sizes>[] = [
  [({ rows, columns, room }) => rows * columns <= room, ({ rows, columns, room }) => `${rows} × ${columns} is above ${room}`],
  [({ room }) => room % 2 === 0, ({ room }) => `room ${room} is odd`],
];
const check = (sizes: Sizes, least = {}) => checkSizes('grid', sizes, least, rules);

test('sizes that keep the rules pass', () => {
  expect(() => check({ rows: 2, columns: 3, room: 6 })).not.toThrow();
});

test('the nearest legal value of each option that can mend it alone, on either side', () => {
  expect(() => check({ rows: 5, columns: 3, room: 10 })).toThrow('E_SIZE: task grid: 5 × 3 is above 10: use rows ≤ 3 or columns ≤ 2 or room ≥ 16.');
  expect(() => check({ rows: 1, columns: 1, room: 5 })).toThrow('E_SIZE: task grid: room 5 is odd: use room ≤ 4 or room ≥ 6.');
});

test('not below the least value', () => {
  expect(() => check({ rows: 5, columns: 3, room: 10 }, { rows: 4 })).toThrow('use columns ≤ 2 or room ≥ 16.');
});

test('changes that mend it together, where none can alone', () => {
  const first: Rule<Sizes> = [({ rows, columns }) => rows > columns, () => 'rows must be above columns'];
  expect(() => checkSizes('grid', { rows: 3, columns: 3, room: 1 }, { columns: 3 }, [first, ...rules])).toThrow('rows must be above columns: use rows ≥ 4 with room ≥ 12.');
});
