/** Values of options: text in, checked values out. Every complaint is E_CONFIG and names the option. */
import { RecallbenchError } from '#core/errors.ts';

export interface Range {
  readonly min?: number;
  readonly max?: number;
  /** smaller than every legal value */
  readonly above?: number;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

function checked(option: string, text: string, kind: string, { min, max, above }: Range, legal: (x: number) => boolean): number {
  const x = NUMBER.test(text.trim()) ? Number(text) : NaN;
  if (Number.isFinite(x) && legal(x) && !(min !== undefined && x < min) && !(max !== undefined && x > max) && !(above !== undefined && x <= above)) return x;
  const bounds = [min === undefined ? '' : `≥ ${min}`, above === undefined ? '' : `> ${above}`, max === undefined ? '' : `≤ ${max}`].filter((b) => b !== '');
  throw new RecallbenchError('E_CONFIG', `${option}: "${text}" is not ${kind}${bounds.length === 0 ? '' : ` ${bounds.join(' and ')}`}.`);
}

/** A parser of whole numbers. */
export function whole(option: string, range: Range = {}): (text: string) => number {
  return (text) => checked(option, text, 'a whole number', range, Number.isSafeInteger);
}

/** A parser of numbers. */
export function real(option: string, range: Range = {}): (text: string) => number {
  return (text) => checked(option, text, 'a number', range, () => true);
}

/** A parser of numbers between commas. */
export function reals(option: string, range: Range = {}): (text: string) => number[] {
  return (text) => text.split(',').map(real(option, range));
}

/** A parser of words between commas, each one of the known ones. */
export function words<T extends string>(option: string, known: readonly T[]): (text: string) => T[] {
  return (text) => text.split(',').map(word(option, known));
}

/** A parser of one of the known words. */
export function word<T extends string>(option: string, known: readonly T[]): (text: string) => T {
  return (text) => {
    const found = known.find((k) => k === text.trim());
    if (found === undefined) throw new RecallbenchError('E_CONFIG', `${option}: "${text}" is none of ${known.join(', ')}.`);
    return found;
  };
}

/** A JSON scalar where it looks like a number or a boolean, else the text itself. */
export function scalar(text: string): number | boolean | string {
  if (NUMBER.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}

/** A parser of `key=value`, given again and again. */
export function assignments(option: string): (text: string, before?: Record<string, string>) => Record<string, string> {
  return (text, before) => {
    const at = text.indexOf('=');
    if (at < 1) throw new RecallbenchError('E_CONFIG', `${option}: "${text}" is not of the form key=value, such as seqLen=64.`);
    return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1).trim() };
  };
}

/** The options of a task or a model that were given as `key=value`. */
export function scalars(given: Record<string, string> | undefined): Record<string, number | boolean | string> {
  return Object.fromEntries(Object.entries(given ?? {}).map(([key, text]) => [key, scalar(text)]));
}

/** A parser of texts between commas, given again and again. */
export function list(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((part) => part.trim())];
}

/** The same with `mixer.option` as an option of that mixer: { "mamba2.dState": 64 } → { mamba2: { dState: 64 } }. */
export function nested(flat: Readonly<Record<string, number | boolean | string>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flat)) {
    const at = key.indexOf('.');
    if (at < 1) out[key] = value;
    else out[key.slice(0, at)] = { ...(out[key.slice(0, at)] as object | undefined), [key.slice(at + 1)]: value };
  }
  return out;
}
