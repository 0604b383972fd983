import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { tasks } from './index.ts';

test.each(Object.keys(tasks))('%s is held to the laws by a test file of its own', (name) => {
  expect(readFileSync(new URL(`./${name}.test.ts`, import.meta.url), 'utf8')).toMatch(/^taskLaws\(/m);
});
