/**
 * One line of a store: a record as text, and text as a record. Keys stand in the schema's order but for the learning
 * curve, which comes last and is parsed only when it is asked for: it is most of the text and few readers want it.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { FileSlice } from './file-slice.ts';
import { measureId, measurementSchema, type Measurement } from './measurement.ts';
import { pointId } from './point.ts';
import { quickCheck } from './quick-check.ts';
import { recordSchema, SCHEMA_VERSION, type RunRecord } from './record.ts';

/** What a line of a store may be: a training run, or the cost of something. */
export type StoredRecord = RunRecord | Measurement;

export function isMeasurement(record: StoredRecord): record is Measurement {
  return 'measure' in record;
}

type Curve = RunRecord['curve'];
type CurveRow = Curve[number];

const CURVE = ',"curve":[';
const number = '-?\\d+(?:\\.\\d+)?(?:[eE][-+]?\\d+)?';
const whole = '-?\\d+';
const row = `\\{"step":${whole},"tokens":${whole},"loss":(?:null|${number}),"accuracy":(?:null|${number}),"lr":${number},"seconds":${number}\\}`;
const curveText = new RegExp(`^\\[(?:${row}(?:,${row})*)?\\]$`);
/** Whether a text is a curve as `formatLine` writes it. */
const isCurve = (text: string): boolean => curveText.test(text);
/** } */
const BRACE = 125;

const headSchema = recordSchema.omit({ curve: true });
const isHead = quickCheck(headSchema);
const isWholeMeasurement = quickCheck(measurementSchema);

/** NaN and infinities become null in the fields that may be null: no measurement, rather than a false one. */
function orNull(x: number | null): number | null {
  return x !== null && Number.isFinite(x) ? x : null;
}

/**
 * The line of a record, without the newline. A NaN or infinity becomes null where the schema has null (loss and
 * accuracy in the curve, tokens per second). Throws E_STORE, naming the field, on one anywhere else, on whatever else
 * the schema refuses, and on an id that is not the point's.
 */
export function formatLine(record: StoredRecord): string {
  const refuse = (why: string) => new RecallbenchError('E_STORE', `record ${String(record?.id)} is not fit for a store: ${why}. Nothing was written.`);
  const checked = <T>({ success, data, error }: z.ZodSafeParseResult<T>): T => {
    if (success) return data;
    const issue = error.issues[0];
    throw refuse(`"${issue.path.map(String).join('.')}": ${issue.message}`);
  };
  const identified = (of: 'point' | 'measure', identify: () => string): void => {
    let id: string;
    try {
      id = identify();
    } catch (error) {
      throw refuse(`"${of}": ${(error as Error).message}`);
    }
    if (id !== record.id) throw refuse(`its ${of} has the id ${id}`);
  };
  if (isMeasurement(record)) {
    const whole = checked(measurementSchema.safeParse(record));
    identified('measure', () => measureId(whole.measure));
    return JSON.stringify(whole);
  }
  const { curve, ...head } = checked(
    recordSchema.safeParse({
      ...record,
      tokensPerSecond: orNull(record.tokensPerSecond),
      curve: record.curve.map((r) => ({ ...r, loss: orNull(r.loss), accuracy: orNull(r.accuracy) })),
    }),
  );
  identified('point', () => pointId(head.point));
  const rows = curve.map(({ step, tokens, loss, accuracy, lr, seconds }: CurveRow) => ({ step, tokens, loss, accuracy, lr, seconds }));
  return JSON.stringify({ ...head, curve: rows });
}

/** Why a line is no record that this version can use. */
export interface Unreadable {
  why: string;
  /** recallbench wrote it: it is torn, damaged, or of another version, and not foreign */
  ours: boolean;
}

/**
 * The record in a line, or why there is none. Whatever `readLine` accepts has the schema's shape; the curve, where it
 * has the form that `formatLine` gives it, is parsed on first use.
 */
export function readLine(text: string): StoredRecord | Unreadable {
  const at = text.indexOf(CURVE);
  if (at > 0 && text.endsWith('}') && isCurve(text.slice(at + CURVE.length - 1, -1))) {
    const head = headOf(text.slice(0, at));
    if (head !== undefined) return isRecord(head) ? withCurve(head, text.slice(at + CURVE.length - 1, -1)) : head;
  }
  const json = parseJson(text);
  if (json === undefined) {
    return beginsLikeRecord(text)
      ? { why: 'torn: the record breaks off or is damaged (a crash while it was written, or it is being written now)', ours: true }
      : { why: 'not JSON', ours: false };
  }
  if (!isObject(json) || typeof json['schema'] !== 'number') return { why: 'not a record of recallbench', ours: false };
  if (json['schema'] !== SCHEMA_VERSION) {
    return { why: `schema version ${json['schema']}; this version of recallbench reads version ${SCHEMA_VERSION}. The line is kept as it is`, ours: true };
  }
  if ('measure' in json && isWholeMeasurement(json)) return json as Measurement;
  const parsed = ('measure' in json ? measurementSchema : recordSchema).safeParse(json);
  return parsed.success ? parsed.data : unreadable(parsed.error);
}

/** a whole line of ours ends so, with a curve of no row or of some */
const ENDS = ['"curve":[]}', '}]}'].map((text) => Buffer.from(text));
const CURVE_BYTES = Buffer.from(CURVE);
/** letters of no curve: of NaN, of Infinity, and of "schema", with which another record begins */
const FOREIGN = ['N', 'I', 'h'].map((letter) => letter.charCodeAt(0));

/**
 * What stands in the bytes of a line, as `readPieces` tells of its text; but a curve in the form that `formatLine` gives it stays in the file,
 * of which `slice` gives a part, until somebody asks for it. Whether it has that form is seen at once where `check` says so, which takes as long
 * as all the rest, and otherwise when it is asked for: then only its end and what cannot be in it are looked at.
 */
export function readBytes(line: Buffer, slice: (from: number, length: number) => FileSlice, check: boolean): (StoredRecord | Unreadable)[] {
  const at = line.indexOf(CURVE_BYTES);
  if (at > 0 && line.at(-1) === BRACE) {
    const from = at + CURVE.length - 1;
    const curve = line.subarray(from, -1);
    const whole = check ? isCurve(curve.toString('latin1')) : ENDS.some((end) => line.subarray(-end.length).equals(end)) && !FOREIGN.some((letter) => curve.includes(letter));
    const head = whole ? headOf(line.toString('utf8', 0, at)) : undefined;
    if (head !== undefined) return [isRecord(head) ? withCurve(head, slice(from, curve.length)) : head];
  }
  return readPieces(line.toString('utf8'));
}

/**
 * What stands on one line: nothing, a record, or something unreadable; and where a store that ended in the middle of a
 * line was concatenated with another, the torn record and the whole one behind it.
 */
export function readPieces(line: string): (StoredRecord | Unreadable)[] {
  if (line.trim() === '') return [];
  const whole = readLine(line);
  if (!('why' in whole)) return [whole];
  // the quotes inside a record's strings are escaped, so this beginning of a record is none inside a string
  const pieces = line.split(/(?=\{"schema":\d+,"id":")/);
  return pieces.length === 1 ? [whole] : pieces.map(readLine);
}

type Head = Omit<RunRecord, 'curve'>;

const isRecord = (head: Head | Unreadable): head is Head => !('why' in head);

/** The end of a head: after device and code, nothing but two times. */
const TIMES = ',"startedAt":"';
const timesText = /^,"startedAt":"[^"\\]*","finishedAt":"[^"\\]*"$/;

/** Where and with what the last head was made, as text and parsed: neighbours in a store agree in it, and it is a quarter of a head. */
let madeWith: { readonly text: string; readonly parts: Pick<Head, 'device' | 'code'> } | undefined;

/** What `${text}}` parses to; undefined where that is no JSON. Device and code are the very objects of the head before where their text is the same. */
function parseHead(text: string): unknown {
  const to = text.lastIndexOf(TIMES);
  if (to >= 0 && timesText.test(text.slice(to))) {
    if (madeWith !== undefined && text.endsWith(madeWith.text, to)) {
      const head = parseJson(`${text.slice(0, to - madeWith.text.length)}${text.slice(to)}}`);
      // where the rest has them too the text has them twice
      if (isObject(head) && !('device' in head) && !('code' in head)) return Object.assign(head, madeWith.parts);
    } else madeWith = madeWithIn(text, to);
  }
  return parseJson(`${text}}`);
}

/** Device and code where they are what stands before the times. */
function madeWithIn(text: string, to: number): typeof madeWith {
  const from = text.lastIndexOf(',"device":', to);
  const parts = from < 0 ? undefined : parseJson(`{${text.slice(from + 1, to)}}`);
  return isObject(parts) && Object.keys(parts).join() === 'device,code' ? { text: text.slice(from, to), parts: parts as Pick<Head, 'device' | 'code'> } : undefined;
}

/** A record without its curve from the text before the curve, or why it is none; undefined where that text is no head at all. */
function headOf(text: string): Head | Unreadable | undefined {
  const head = parseHead(text);
  if (!isObject(head) || head['schema'] !== SCHEMA_VERSION || 'curve' in head) return undefined;
  if (isHead(head)) return head as Head;
  const parsed = headSchema.safeParse(head);
  return parsed.success ? parsed.data : unreadable(parsed.error);
}

/** where a record keeps its curve: as text, or where in a file that is, until somebody asks */
const kept = Symbol('curve');
type Lazy = Head & { [kept]: string | FileSlice | Curve };

// one accessor for all records: a closure for each would give each a hidden class of its own
const lazyCurve: PropertyDescriptor & ThisType<Lazy> = {
  get() {
    const curve = this[kept];
    if (Array.isArray(curve)) return curve;
    if (typeof curve === 'string') return (this[kept] = JSON.parse(curve) as Curve);
    // not kept: those of a large store are more than memory holds
    const text = curve.text();
    if (!isCurve(text)) throw new RecallbenchError('E_STORE', `${curve.path}: the learning curve of record ${this.id} is damaged. Remove its line, or run its point again into another store`);
    return JSON.parse(text) as Curve;
  },
  set(curve: Curve) {
    this[kept] = curve;
  },
  enumerable: true,
  configurable: true,
};

function withCurve(head: Head, curve: string | FileSlice): RunRecord {
  Object.defineProperty(head, kept, { value: curve, writable: true });
  return Object.defineProperty(head, 'curve', lazyCurve) as RunRecord;
}

function unreadable(error: z.ZodError): Unreadable {
  const issue = error.issues[0];
  return { why: `a record that breaks the schema at "${issue.path.map(String).join('.')}": ${issue.message}`, ours: true };
}

/** Whether a text begins as a record of any version does, or is the torn beginning of one. */
function beginsLikeRecord(text: string): boolean {
  const begin = '{"schema":,"id":"';
  const withoutVersion = text.slice(0, 64).replace(/^(\{"schema":)\d+/, '$1');
  return withoutVersion.length < begin.length ? begin.startsWith(withoutVersion) : withoutVersion.startsWith(begin);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
