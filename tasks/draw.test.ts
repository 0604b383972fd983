import { expect, test } from 'vitest';
import { drawExample } from './draw.ts';

const example = { tokens: Int32Array.of(1, 10, 3, 14, 3, 0), targets: Int32Array.of(-1, -1, -1, -1, 14, -1) };

test('tokens in one row, targets aligned under them', () => {
  expect(drawExample(example)).toBe('tokens    1 10  3 14  3  0\ntargets   ·  ·  ·  · 14  ·\n');
});

test('long examples go on in blocks no wider than asked', () => {
  expect(drawExample(example, 20)).toBe(
    'position 0\ntokens    1 10  3 14\ntargets   ·  ·  ·  ·\n\nposition 4\ntokens    3  0\ntargets  14  ·\n',
  );
  expect(drawExample(example, 1).split('\n\n')).toHaveLength(6);
});
