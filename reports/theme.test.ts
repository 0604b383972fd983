import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { contrast, luminance, mix } from './color.ts';
import { colorOn, themes, wordsOn } from './theme.ts';

/** Colours that mixers have: of Okabe and Ito, of Paul Tol, and greys. */
const colors = ['#0072B2', '#56B4E9', '#CC79A7', '#AA4499', '#D55E00', '#8C6D31', '#661100', '#999933', '#555555', '#009E73', '#117733', '#E69F00', '#882255', '#332288', '#44AA99', '#000000', '#777777'];

describe.each(Object.values(themes))('theme $name', (theme) => {
  test('has words that can be read', () => {
    for (const ink of [theme.text, theme.faint]) expect(contrast(ink, theme.paper)).toBeGreaterThan(4.5);
    expect(contrast(theme.axis, theme.paper)).toBeGreaterThan(3);
    // the grid stays behind
    expect(contrast(theme.grid, theme.paper)).toBeLessThan(1.6);
  });

  test('keeps the colours of series apart', () => {
    const own = colors.map((color) => colorOn(theme, color));
    expect(new Set(own).size).toBe(colors.length);
    for (const color of colors) expect(contrast(wordsOn(theme, color), theme.paper)).toBeGreaterThan(3);
  });
});

test('on light grounds a series has its own colour, on a dark one it shows', () => {
  for (const color of colors) {
    expect(colorOn(themes.paper, color)).toBe(color);
    expect(contrast(colorOn(themes.dark, color), themes.dark.paper)).toBeGreaterThanOrEqual(3);
  }
  expect(colorOn(themes.dark, '#000000')).toBe('#ffffff');
});

test('contrast and luminance are those of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBe(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(luminance('#ff0000')).toBeCloseTo(0.2126, 12);
  expect(mix('#000000', '#ffffff', 0.5)).toBe('#808080');
});

test('a browser can draw: what lays out and draws a chart imports Chart.js, and of ours what does the same', () => {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, from] of readFileSync(new URL(file, import.meta.url), 'utf8').matchAll(/^import (?!type )[^;]*'([^']+)';/gm)) {
      if (from.startsWith('./')) visit(from);
      else if (from.startsWith('#core/')) visit(from.replace('#', '../'));
      else expect(from).toMatch(/^chart\.js/);
    }
  };
  visit('./chart.ts');
  visit('./page.ts');
  expect([...seen].sort()).toEqual(['../core/statistics.ts', ...['chart', 'color', 'context', 'legend', 'marker', 'overlay', 'page', 'theme', 'ticks'].map((name) => `./${name}.ts`)]);
});
