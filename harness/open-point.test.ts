import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { measureId, parseMeasure, type Measure } from '#results/measurement.ts';
import { parsePoint, pointId, type Point } from '#results/point.ts';
import { checkMeasure } from './measure.ts';
import { checkPoint } from './open-point.ts';

const published = new URL('../results/published/', import.meta.url);
const records = readdirSync(published, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.jsonl'))
  .flatMap((name) => readFileSync(new URL(name, published), 'utf8').split('\n'))
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as { id: string; point?: Point; measure?: Measure });

test('what is published keeps its id: options that came later are left out where they are off', () => {
  for (const key of ['point', 'measure'] as const) expect(records.some((r) => r[key] !== undefined)).toBe(true);
  for (const { id, point, measure } of records) {
    if (point !== undefined) expect(pointId(checkPoint(parsePoint(point)))).toBe(id);
    // other programs' measurements have workloads with options of their own
    if (measure !== undefined && measure.options['implementation'] === undefined) expect(measureId(checkMeasure(parseMeasure(measure)))).toBe(id);
  }
});
