import { describe, expect, test } from 'vitest';
import { contrast } from './color.ts';
import type { Look } from './figure.ts';
import { looksOf, type Family } from './look.ts';

const family = (label: string, order: number, color: string, marker: string, variants = [label]): Family => ({ appearance: { label, order, color, marker }, variants });

/** The appearances of sixteen mixers, of which some claim the same marker, and of two hybrids that look like their first part. */
const families = [
  family('Attention', 0, '#0072B2', 'circle'),
  family('Sliding window', 2, '#56B4E9', 'rectRounded'),
  family('Linear attention', 4, '#CC79A7', 'circle'),
  family('Based', 5, '#AA4499', 'rectRot'),
  family('Mamba-1', 10, '#D55E00', 'triangle'),
  family('S4D', 12, '#8C6D31', 'cross'),
  family('H3', 13, '#661100', 'triangle'),
  family('Hyena', 14, '#999933', 'star'),
  family('Gated convolution', 16, '#555555', 'crossRot'),
  family('Mamba-2', 20, '#009E73', 'rect'),
  family('Mamba-2 ×5 + Attention', 20, '#009E73', 'rect'),
  family('Mamba-2 + Attention', 20, '#009e73', 'rect'),
  family('Mamba-3', 22, '#117733', 'star'),
  family('RetNet', 30, '#E69F00', 'rect'),
  family('GLA', 32, '#882255', 'triangle'),
  family('DeltaNet', 34, '#332288', 'rectRot'),
  family('Gated DeltaNet', 36, '#44AA99', 'rectRounded'),
  family('RWKV-7', 38, '#000000', 'cross'),
];

const inGrey = ({ marker, filled, dash }: Look) => `${marker} ${['star', 'cross', 'crossRot'].includes(marker) || filled} ${dash.join()}`;

test('all mixers and their hybrids are told apart by colour, and without it', () => {
  const looks = [...looksOf(families).values()];
  expect(looks).toHaveLength(families.length);
  expect(new Set(looks.map((look) => look.color.toLowerCase())).size).toBe(families.length);
  expect(new Set(looks.map(inGrey)).size).toBe(families.length);
  for (const { color } of looks) expect(contrast(color, '#ffffff')).toBeGreaterThan(2);
});

describe('variants of a family', () => {
  const variants = [16, 32, 64, 128].map((n) => `N=${n}`);

  test('have its colour, paler by size, and forms of their own', () => {
    for (const each of families) {
      const looks = looksOf([{ ...each, variants }]);
      expect(looks.get('N=128')!.color.toLowerCase()).toBe(each.appearance.color.toLowerCase());
      expect(new Set([...looks.values()].map(inGrey)).size).toBe(4);
      expect(new Set([...looks.values()].map((look) => look.marker)).size).toBe(1);
    }
  });

  test('keep apart from those of other families', () => {
    const looks = looksOf(families.map(({ appearance }) => ({ appearance, variants: variants.slice(0, 2).map((n) => `${appearance.label} ${n}`) })));
    expect(new Set([...looks.values()].map(inGrey)).size).toBe(2 * families.length);
  });
});

test('families of different kinds may share a colour, never a marker', () => {
  const looks = looksOf([{ ...family('Attention', 0, '#0072B2', 'circle'), kind: 'model' }, { ...family('Causal attention', 0, '#0072B2', 'circle'), kind: 'op' }]);
  expect(looks.get('Attention')!.color).toBe(looks.get('Causal attention')!.color);
  expect(looks.get('Attention')!.marker).not.toBe(looks.get('Causal attention')!.marker);
});
