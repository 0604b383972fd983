/**
 * One line of a store: a record as text, and text as a record. Keys stand in the schema's order but for the learning
 * curve, which comes last: it is most of the text and few readers want it. It and the evaluations are parsed when they are asked for.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { FileSlice } from './file-slice.ts';
import { number, parseJson, parseMeasurement, parseRun, whole } from './head-text.ts';
import { measureId, measurementSchema, type Measurement } from './measurement.ts';
import { pointId } from './point.ts';
import { isPlain, quickCheck } from './quick-check.ts';
import { recordSchema, SCHEMA_VERSION, type RunRecord } from './record.ts';

/** What a line of a store may be: a training run, or the cost of something. */
export type StoredRecord = RunRecord | Measurement;

export function isMeasurement(record: StoredRecord): record is Measurement {
  return 'measure' in record;
}

type Curve = RunRecord['curve'];
type CurveRow = Curve[number];

const row = `\\{"step":${whole},"tokens":${whole},"loss":(?:null|${number}),"accuracy":(?:null|${number}),"lr":${number},"seconds":${number}\\}`;
const curveText = new RegExp(`^\\[(?:${row}(?:,${row})*)?\\]$`);
/** Whether a text is a curve as `formatLine` writes it. */
const isCurve = (text: string): boolean => curveText.test(text);
/** } */
const BRACE = 125;

const isHead = quickCheck(recordSchema.omit({ curve: true, test: true, validation: true }));
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

/** The record in a line, or why there is none. Whatever `readLine` accepts has the schema's shape. */
export function readLine(text: string): StoredRecord | Unreadable {
  const json = parseJson(text);
  if (json === undefined) {
    return beginsLikeRecord(text)
      ? { why: 'torn: the record breaks off or is damaged (a crash while it was written, or it is being written now)', ours: true }
      : { why: 'not JSON', ours: false };
  }
  if (!isPlain(json) || typeof json['schema'] !== 'number') return { why: 'not a record of recallbench', ours: false };
  if (json['schema'] !== SCHEMA_VERSION) {
    return { why: `schema version ${json['schema']}; this version of recallbench reads version ${SCHEMA_VERSION}. The line is kept as it is`, ours: true };
  }
  const parsed = ('measure' in json ? measurementSchema : recordSchema).safeParse(json);
  return parsed.success ? parsed.data : unreadable(parsed.error);
}

const CURVE = ',"curve":[';
/** what of it is looked for: fewer than eight bytes, of which the first is rare, are found in half the time */
const RARE = Buffer.from(CURVE.slice(4));
/** a whole line of ours ends so, with a curve of no row or of some */
const ENDS = ['"curve":[]}', '}]}'].map((text) => Buffer.from(text));
/** letters of no curve: of NaN, of Infinity, and of "schema", with which another record begins */
const FOREIGN = ['N', 'I', 'h'].map((letter) => letter.charCodeAt(0));

/**
 * What stands in the bytes of a line, as `readPieces` tells of its text; but where a run has the form that `formatLine` gives it, its evaluations
 * stay text until somebody asks for them, and its curve stays in the file, of which `slice` gives a part. Whether a curve has that form is seen at
 * once where `check` says so, and otherwise when it is asked for: then only its end and what cannot be in it are looked at.
 */
export function readBytes(line: Buffer, slice: (from: number, length: number) => FileSlice, check: boolean): (StoredRecord | Unreadable)[] {
  const curveAt = line.indexOf(RARE) - (CURVE.length - RARE.length);
  if (curveAt >= 0) {
    const run = runIn(line, curveAt, slice, check);
    if (run !== undefined) return [run];
  }
  const text = line.toString('utf8');
  const measurement = curveAt < 0 ? parseMeasurement(text) : undefined;
  return measurement !== undefined && isWholeMeasurement(measurement) ? [measurement as unknown as Measurement] : readPieces(text);
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

/** What a run keeps until somebody asks for it: where in a file its curve is, and its evaluations as text, then parsed. */
interface Kept {
  readonly curve: FileSlice;
  evaluations: string | Evaluations;
}
type Evaluations = Pick<RunRecord, 'test' | 'validation'>;
const kept = Symbol('kept');
type Lazy = RunRecord & { [kept]: Kept };

/** A run whose evaluations and curve are not parsed yet; undefined where the line is none or has another form than ours. */
function runIn(line: Buffer, curveAt: number, slice: (from: number, length: number) => FileSlice, check: boolean): RunRecord | undefined {
  const [from, to] = [curveAt + CURVE.length - 1, line.length - 1];
  const whole = check ? line[to] === BRACE && isCurve(line.toString('latin1', from, to)) : ENDS.some((end) => line.subarray(-end.length).equals(end)) && !FOREIGN.some((letter) => line.includes(letter, from));
  if (!whole || line.toString('latin1', curveAt, from + 1) !== CURVE) return undefined;
  const text = line.toString('utf8', 0, curveAt);
  const found = parseRun(text);
  if (found === undefined || !isHead(found.run)) return undefined;
  const { run, test, validation, at } = found;
  // a copy: a part of the text would keep the whole of it in memory
  const evaluations = text.length === curveAt ? line.toString('latin1', at, at + test.length + validation.length) : test + validation;
  Object.defineProperty(run, kept, { value: { curve: slice(from, to - from), evaluations } satisfies Kept });
  if (test !== '') Object.defineProperty(run, 'test', lazyTest);
  if (validation !== '') Object.defineProperty(run, 'validation', lazyValidation);
  return Object.defineProperty(run, 'curve', lazyCurve) as unknown as RunRecord;
}

// one accessor of each for all records: a closure for each would give each a hidden class of its own
const lazyCurve: PropertyDescriptor & ThisType<Lazy> = {
  get() {
    const { curve } = this[kept];
    // not kept: those of a large store are more than memory holds
    const text = curve.text();
    if (!isCurve(text)) throw new RecallbenchError('E_STORE', `${curve.path}: the learning curve of record ${this.id} is damaged. Remove its line, or run its point again into another store`);
    return JSON.parse(text) as Curve;
  },
  enumerable: true,
  configurable: true,
};

const lazyEvaluation = (key: 'test' | 'validation'): PropertyDescriptor & ThisType<Lazy> => ({
  get() {
    return evaluationsOf(this)[key];
  },
  enumerable: true,
  configurable: true,
});
const [lazyTest, lazyValidation] = [lazyEvaluation('test'), lazyEvaluation('validation')];

function evaluationsOf({ [kept]: of }: Lazy): Evaluations {
  if (typeof of.evaluations === 'string') of.evaluations = JSON.parse(`{${of.evaluations.slice(1)}}`) as Evaluations;
  return of.evaluations;
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
