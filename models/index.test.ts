import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mixers } from './index.ts';

test.each(Object.keys(mixers))('%s is held to the laws by a test file of its own', (name) => {
  expect(readFileSync(new URL(`./${name}.test.ts`, import.meta.url), 'utf8')).toMatch(/^mixerLaws\(/m);
});

test('labels, places and looks tell the mixers apart', () => {
  const looks = Object.values(mixers).map((m) => m.appearance);
  for (const key of ['label', 'order'] as const) expect(new Set(looks.map((a) => a[key])).size).toBe(looks.length);
  // there are fewer markers, and colours that anyone can tell apart, than mixers
  expect(new Set(looks.map((a) => `${a.color} ${a.marker}`)).size).toBe(looks.length);
});
