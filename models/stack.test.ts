import { expect, test } from 'vitest';
import { openStack } from './stack.ts';

test('one mixer is itself, with its options as they are', () => {
  const { model, options, round, appearance, orderless } = openStack('mamba2', { dState: 16 }, 3);
  expect([model, round.length, orderless]).toEqual(['mamba2', 1, false]);
  expect(options).toMatchObject({ dState: 16, dConv: 4 });
  expect(appearance).toEqual(round[0].mixer.appearance);
  expect(openStack('mamba2, mamba2*2', { dState: 16 }, 3).model).toBe('mamba2');
});

test('a pattern: equal models have equal names, options by mixer, looks of the first, the pattern in the label', () => {
  const { model, options, round, appearance, orderless } = openStack('mamba2*5,attention', { mamba2: { dState: 64 } }, 12);
  expect(model).toBe('mamba2*5,attention');
  expect(round.map(({ mixer }) => mixer.name)).toEqual(['mamba2', 'mamba2', 'mamba2', 'mamba2', 'mamba2', 'attention']);
  expect(options).toMatchObject({ mamba2: { dState: 64, dConv: 4 }, attention: { heads: 1 } });
  expect(round[5].options).toEqual({ heads: 1 });
  expect(appearance).toEqual({ label: 'Mamba-2 ×5 + Attention', order: 20, color: '#009E73', marker: 'rect' });
  expect(orderless).toBe(false);
  for (const same of ['mamba2,mamba2*4,attention', ' mamba2 * 5 , attention', 'mamba2*5,attention,mamba2*5,attention']) expect(openStack(same, {}, 12).model).toBe(model);
  expect(openStack('gated-conv,attention', {}, 2).appearance.label).toBe('Gated convolution + Attention');
  expect(openStack('attention,linear-attention', {}, 2).orderless).toBe(true);
  expect(openStack('attention,linear-attention', { attention: { rope: true } }, 2).orderless).toBe(false);
});

test('what is wrong is named, with the nearest that is right', () => {
  expect(() => openStack('mamba9*2,attention', {}, 3)).toThrow('E_NAME: unknown model "mamba9". Did you mean "mamba1"?');
  expect(() => openStack('mamba2*0,attention', {}, 2)).toThrow('E_CONFIG: model "mamba2*0,attention": "mamba2*0" is neither a mixer nor mixer*times');
  expect(() => openStack('mamba2,', {}, 2)).toThrow('E_CONFIG: model "mamba2,": "" is neither');
  expect(() => openStack('mamba2*5,attention', {}, 8)).toThrow('E_SIZE: model "mamba2*5,attention" is a round of 6 layers, and whole rounds do not make 8 layers. Nearest: 6 or 12 layers.');
  expect(() => openStack('mamba2*5,attention', {}, 2)).toThrow('Nearest: 6 layers.');
  expect(() => openStack('mamba2,attention', { mamba: {} }, 2)).toThrow('E_CONFIG: model mamba2,attention: unknown mixer "mamba". Did you mean "mamba2"? Known: mamba2, attention.');
  expect(() => openStack('mamba2,attention', { dState: 4 }, 2)).toThrow('Options of a pattern are given by mixer, such as mamba2.dState.');
  expect(() => openStack('mamba2,attention', { mamba2: { dstate: 4 } }, 2)).toThrow('E_CONFIG: model mamba2: unknown key "dstate". Did you mean "dState"?');
  expect(() => openStack('mamba2,attention', { mamba2: 4 }, 2)).toThrow('the options of mamba2 are no options but 4');
});
