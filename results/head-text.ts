/**
 * A record from its text, quicker than by one `JSON.parse`. Two things make it so: what the records of a store agree in (task, test mixture,
 * appearance, device, code) is parsed once for all of them, which then hold the same objects; and evaluations stay text, checked but not parsed.
 * Text in any other form than `formatLine` gives it is parsed as JSON and nothing else.
 */

import { isPlain } from './quick-check.ts';

/** patterns of JSON as `JSON.stringify` writes it: numbers that are finite, whole ones that are safe, strings with nothing escaped */
export const number = '-?(?:0|[1-9]\\d{0,20})(?:\\.\\d+)?(?:e[-+]\\d{1,2})?';
export const whole = '-?(?:0|[1-9]\\d{0,14})';
const string = '"[^"\\\\\\u0000-\\u001f]*"';

const list = (element: string) => `\\[(?:${element}(?:,${element})*)?\\]`;
const options = `\\{(?:${string}:(?:${number}|${string})(?:,${string}:(?:${number}|${string}))*)?\\}`;
const scores = `"accuracy":${number}(?:,"sequenceAccuracy":${number})?,"loss":${number}`;
const slice = `\\{"slice":${options},${scores},"examples":${whole},"scored":${whole}\\}`;
const evaluation = `\\{${scores},"slices":${list(slice)}\\}`;

// `.*?` ends where the next key stands: a key has a quote before it that no string has inside
const begin = `\\{"schema":\\d+,"id":${string}`;
const ended = '"outcome":\\{.*?\\},"appearance":\\{.*?\\}';
const made = '"device":\\{.*?\\},"code":\\{.*?\\}';
const times = `"startedAt":${string},"finishedAt":${string}`;
const evaluations = `(,"test":${evaluation})?(,"validation":${evaluation})?`;
const runText = new RegExp(`^(${begin},"point":\\{"task":${string}),("train":\\[.*?\\],"test":\\[.*?\\])(,"epochs":.*?),(${ended})${evaluations}(,"steps":.*?),(${made}),(${times})$`);
const measurementText = new RegExp(`^(${begin},"measure":\\{.*?),(${ended})(,"samples":.*?),(${made}),(${times}\\})$`);

type Json = Record<string, unknown>;

/** texts of a store that differ in each record must not fill the memory */
const MANY = 4096;

/** Two neighbouring members of an object in which many records agree: parsed once for each text, the same objects in every record that has it. */
class Shared {
  readonly #first: string;
  readonly #second: string;
  readonly #byText = new Map<string, Json>();
  /** what stands for them in a text that is parsed without them */
  readonly held: string;

  constructor(first: string, second: string) {
    this.#first = first;
    this.#second = second;
    this.held = `"${first}":0,"${second}":0`;
  }

  /** Puts them where their place is held; false where it is not, or where the text is not the two. */
  fill(object: unknown, text: string): boolean {
    if (!isPlain(object) || object[this.#first] !== 0 || object[this.#second] !== 0) return false;
    const members = this.#byText.get(text) ?? this.#parse(text);
    if (members === undefined) return false;
    object[this.#first] = members[this.#first];
    object[this.#second] = members[this.#second];
    return true;
  }

  #parse(text: string): Json | undefined {
    const members = parseObject(`{${text}}`);
    if (members === undefined || Object.keys(members).join() !== `${this.#first},${this.#second}`) return undefined;
    if (this.#byText.size >= MANY) this.#byText.clear();
    this.#byText.set(text, members);
    return members;
  }
}

const [mixture, ending, origin] = [new Shared('train', 'test'), new Shared('outcome', 'appearance'), new Shared('device', 'code')];

/** A run without its curve, and without its evaluations, which are text still: `,"test":{…}`, `,"validation":{…}`, or nothing. */
export interface RunText {
  readonly run: Json;
  readonly test: string;
  readonly validation: string;
  /** where in the text the evaluations begin */
  readonly at: number;
}

/** A run from its text without its curve and the brace at the end; undefined where that has another form. */
export function parseRun(text: string): RunText | undefined {
  const parts = runText.exec(text);
  if (parts === null) return undefined;
  const [, id, mixed, options, ended, test = '', validation = '', costs, made, times] = parts;
  const run = parseObject(`${id},${mixture.held}${options},${ending.held}${costs},${origin.held},${times}}`);
  const whole = run !== undefined && mixture.fill(run['point'], mixed) && ending.fill(run, ended) && origin.fill(run, made);
  return whole ? { run, test, validation, at: id.length + 1 + mixed.length + options.length + 1 + ended.length } : undefined;
}

/** A measurement from its line; undefined where that has another form. */
export function parseMeasurement(line: string): Json | undefined {
  const parts = measurementText.exec(line);
  if (parts === null) return undefined;
  const [, id, ended, costs, made, times] = parts;
  const measurement = parseObject(`${id},${ending.held}${costs},${origin.held},${times}`);
  return measurement !== undefined && ending.fill(measurement, ended) && origin.fill(measurement, made) ? measurement : undefined;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseObject(text: string): Json | undefined {
  const value = parseJson(text);
  return isPlain(value) ? value : undefined;
}
