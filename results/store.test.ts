import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RecallbenchError } from '#core/errors.ts';
import { FileSlice } from './file-slice.ts';
import { formatLine, readBytes, readLine, readPieces, type StoredRecord, type Unreadable } from './line.ts';
import { madeUpMeasurement, madeUpRecord, type MadeUp } from './made-up.ts';
import type { Measurement } from './measurement.ts';
import { pointId } from './point.ts';
import { quickCheck } from './quick-check.ts';
import { recordSchema, type RunRecord } from './record.ts';
import { checkWritable, describeProblem, openStore, readStores } from './store.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'recallbench-store-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

let files = 0;
const fresh = () => join(dir, `store-${files++}.jsonl`);
const record = (seed: number, more: Partial<MadeUp> = {}) => madeUpRecord({ point: { model: 'mamba2', seed }, rows: 3, ...more });
const measurement = (repetition: number, adapter?: string) => madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen: 512 }, engine: 'webgpu', repetition }, samples: [1, 2, 3], ...(adapter === undefined ? {} : { adapter }) });
const ids = (records: readonly StoredRecord[]) => records.map((r) => r.id);

/** As a store reads the bytes of one line; curves come out of a file that the next line replaces. */
function quickly(text: string, check = true): ReturnType<typeof readBytes> {
  const path = join(dir, 'line.jsonl');
  writeFileSync(path, text);
  return readBytes(Buffer.from(text), (from, length) => new FileSlice(path, from, length), check);
}

function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return error instanceof RecallbenchError ? error.code : `${error}`;
  }
  return 'no error';
}

describe('a line', () => {
  test('gives back the record', () => {
    const r = record(1, { rows: 5 });
    expect(readLine(formatLine(r))).toEqual(r);
    expect(readLine(formatLine({ ...r, curve: [] }))).toEqual({ ...r, curve: [] });
  });

  test('gives back the record whatever the order of keys, and fills in what has a default', () => {
    const r = record(1);
    const { notes: _, ...rest } = r;
    const reversed = Object.fromEntries(Object.entries(rest).reverse());
    expect(readLine(JSON.stringify(reversed))).toEqual(r);
  });

  test('strings that look like the marks of a line do no harm', () => {
    const r = record(1, { state: 'crashed', reason: ',"curve":[{"schema":1,"id":"x"}]}\n\u2028"' });
    const odd = madeUpRecord({ point: { model: 'm', modelOptions: { curve: [1], schema: 1, id: 'x', nested: { schema: 1, id: 'y', curve: [] } } } });
    for (const each of [r, odd]) {
      const path = fresh();
      openStore(path).append(each);
      expect(openStore(path).records).toEqual([each]);
      expect(openStore(path).problems).toEqual([]);
    }
  });

  test('has its own parts, whatever the lines before it had, and not those of something inside', () => {
    const [a, b] = [record(1), { ...record(2), code: { version: '9' } }];
    const elsewhere = { ...record(3), device: { ...a.device, adapter: 'another', features: [',"device":{}'] } };
    const unlike: RunRecord = { ...record(4, { state: 'crashed', reason: '"outcome":{},"appearance":{}' }), sweep: 'x', appearance: { ...a.appearance, label: 'another' } };
    const others = [elsewhere, unlike, madeUpRecord({ point: { model: 'm', train: [{ options: { seqLen: 8 }, examples: 2 }], modelOptions: { outcome: {}, appearance: {}, test: { accuracy: 1 } } } })];
    for (const each of [a, b, a, ...others, ...others, b, a, a]) expect(quickly(formatLine(each))).toEqual([each]);
    const [[first], [second]] = [quickly(formatLine(a)), quickly(formatLine(record(5)))] as RunRecord[][];
    expect(first.device).toBe(second.device);
    // device and code of the line before stand in the options of a model, and the line has none of its own
    const { device, code, ...bare } = madeUpRecord({ point: { model: 'm', modelOptions: { device: a.device, code: a.code } } });
    expect(quickly(JSON.stringify({ ...bare, curve: [] }))).toMatchObject([{ why: expect.stringContaining('"device"'), ours: true }]);
    // twice: the last one counts, as in any JSON
    const twice = formatLine(a).replace(',"startedAt"', `,"device":${JSON.stringify(elsewhere.device)},"code":${JSON.stringify(a.code)},"startedAt"`);
    quickly(formatLine(elsewhere));
    expect((quickly(twice)[0] as RunRecord).device.adapter).toBe('another');
    expect([device, code]).toEqual([a.device, a.code]);
  });

  test('says the same read quickly and as plain JSON, whatever is changed in it', () => {
    const slices = ['plain', 'quoted " and \\ and \n', 'Größe …'].map((name, i) => ({ slice: { name, seqLen: 64 }, accuracy: [1e-7, 1e-120, 0][i], sequenceAccuracy: 0, loss: 2 ** (80 * i), examples: 3, scored: 5 }));
    const test = { accuracy: 0.5, sequenceAccuracy: 0.25, loss: 1, slices };
    const { validation: _, ...tested } = record(1);
    const lines: StoredRecord[] = [record(2), { ...record(1), test: { ...test, slices: slices.slice(0, 1) } }, { ...record(1), test }, tested, record(3, { state: 'crashed', reason: 'é\u2028' }), measurement(0)];
    for (const line of lines) expect(quickly(formatLine(line))).toEqual([line]);
    const line = formatLine(lines[0]);
    for (let at = 0; at < line.length; at++) {
      const changed = `${line.slice(0, at)}"${line.slice(at + 1)}`;
      expect(quickly(changed), `a quote at ${at}`).toEqual(readPieces(changed));
    }
    fc.assert(
      fc.property(fc.constantFrom(...lines.map(formatLine)), fc.nat(), fc.nat(2), fc.constantFrom('', '0', '-', '1e999', '.', '"', '{', '}', ',', '"test":', '"x":1,', ',"steps":{"run":1', 'null'), (text, at, removed, added) => {
        const changed = text.slice(0, at % text.length) + added + text.slice((at % text.length) + removed);
        expect(quickly(changed)).toEqual(readPieces(changed));
      }),
      { numRuns: 2000 },
    );
  });

  test('holds null where the schema has null, and no NaN or infinity anywhere', () => {
    const r = record(1);
    const line = formatLine({ ...r, tokensPerSecond: Number.NaN, curve: [{ ...r.curve[0], loss: Infinity, accuracy: Number.NaN }] });
    const back = readLine(line) as RunRecord;
    expect(back.tokensPerSecond).toBeNull();
    expect(back.curve[0]).toMatchObject({ loss: null, accuracy: null });
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const broken: RunRecord[] = [
        { ...r, trainSeconds: bad },
        { ...r, test: { ...r.test!, accuracy: bad } },
        { ...r, curve: [{ ...r.curve[0], lr: bad }] },
        { ...r, point: { ...r.point, modelOptions: { dState: bad } } },
      ];
      for (const b of broken) expect(codeOf(() => formatLine(b))).toBe('E_STORE');
    }
    expect(() => formatLine({ ...r, test: { ...r.test!, loss: Number.NaN } })).toThrow(/"test\.loss"/);
  });

  test('is refused when the id is not the point’s', () => {
    expect(() => formatLine({ ...record(1), id: '0123456789abcdef' })).toThrow(/E_STORE.*has the id/);
  });

  test('the quick check says yes only where the schema does, and yes to every record', () => {
    const quick = quickCheck(recordSchema);
    const whole = JSON.parse(JSON.stringify(record(1))) as Record<string, unknown>;
    expect(quick(whole)).toBe(true);
    const paths: string[][] = [];
    const walk = (value: unknown, path: string[]) => {
      paths.push(path);
      if (typeof value === 'object' && value !== null) for (const [k, v] of Object.entries(value)) walk(v, [...path, k]);
    };
    walk(whole, []);
    const junk = [undefined, null, 0, -1, 1.5, 1e300, Number.NaN, '', 'x', '2024-01-01T00:00:00Z', true, [], {}, [1], { x: 1 }];
    let refused = 0;
    for (const path of paths) {
      for (const value of junk) {
        const copy = JSON.parse(JSON.stringify({ root: whole })) as { root: unknown };
        const keys = ['root', ...path];
        let at = copy as Record<string, unknown>;
        for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
        at[keys.at(-1)] = value;
        const strict = recordSchema.safeParse(copy.root).success;
        if (quick(copy.root)) expect(strict, `${keys.join('.')} = ${JSON.stringify(value)}`).toBe(true);
        if (!strict) refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(quick({ ...whole, extra: 1 })).toBe(false);
  });
});

describe('a store', () => {
  test('a file that does not exist is an empty store; an append makes it, and shows at once', () => {
    const path = fresh();
    const store = openStore(path);
    expect(store.records).toEqual([]);
    expect(existsSync(path)).toBe(false);
    store.append(record(1));
    store.append(record(2));
    expect(ids(store.records)).toEqual([record(1).id, record(2).id]);
    expect(store.find(record(2).id)).toEqual(record(2));
    expect(openStore(path).records).toEqual([record(1), record(2)]);
    expect(readFileSync(path, 'utf8').endsWith('\n')).toBe(true);
  });

  test('cut at any byte it loses at most its last line, and later appends survive', () => {
    const three = [record(1), record(2, { state: 'diverged', reason: 'Verlust → ∞ ö' }), record(3)];
    const bytes = Buffer.from(three.map((r) => `${formatLine(r)}\n`).join(''));
    const ends = [...bytes.entries()].filter(([, b]) => b === 10).map(([i]) => i);
    fc.assert(
      fc.property(fc.oneof(fc.nat(bytes.length), fc.constantFrom(...ends, ...ends.map((e) => e + 1), 1, 2, 9, 10, 11)), fc.integer({ min: 1, max: 3 }), (cut, appends) => {
        const path = fresh();
        writeFileSync(path, bytes);
        truncateSync(path, cut);
        const whole = ends.filter((end) => end <= cut).length;
        const torn = cut > 0 && !ends.includes(cut) && !ends.includes(cut - 1);
        const store = openStore(path);
        expect(store.records).toEqual(three.slice(0, whole));
        expect(store.problems.map((p) => [p.line, p.why.slice(0, 5)])).toEqual(torn ? [[whole + 1, 'torn:']] : []);
        const later = Array.from({ length: appends }, (_, i) => record(100 + i));
        for (const r of later) store.append(r);
        const again = openStore(path);
        expect(again.records).toEqual([...three.slice(0, whole), ...later]);
        expect(again.problems).toEqual([]);
        expect(existsSync(`${path}.torn`)).toBe(torn);
        if (torn) expect(readFileSync(`${path}.torn`)).toEqual(Buffer.concat([bytes.subarray(whole === 0 ? 0 : ends[whole - 1] + 1, cut), Buffer.from('\n')]));
      }),
      { numRuns: 150 },
    );
  });

  test('many processes append at once and nothing is lost or torn', async () => {
    const built = join(dir, 'built');
    await build({
      configFile: false,
      logLevel: 'silent',
      resolve: { conditions: ['recallbench-source'] },
      ssr: { resolve: { conditions: ['recallbench-source'] }, noExternal: true },
      build: { ssr: true, outDir: built, rollupOptions: { input: { store: resolve('results/store.ts'), 'made-up': resolve('results/made-up.ts') }, output: { entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' } } },
    });
    const path = fresh();
    const script = `
      import { openStore } from ${JSON.stringify(`file://${built}/store.mjs`)};
      import { madeUpRecord } from ${JSON.stringify(`file://${built}/made-up.mjs`)};
      const store = openStore(${JSON.stringify(path)});
      const who = Number(process.argv[1]);
      for (let i = 0; i < 40; i++) store.append(madeUpRecord({ point: { model: 'm', seed: 1000 * who + i }, rows: i % 2 ? 400 : 3 }));`;
    appendFileSync(path, formatLine(record(1)).slice(0, 300)); // and one of the processes finds a torn line
    const run = promisify(execFile);
    await Promise.all([1, 2, 3, 4].map((who) => run(process.execPath, ['--input-type=module', '-e', script, String(who)])));
    const { records, problems } = openStore(path);
    expect(records.length).toBe(160);
    expect(problems).toEqual([]);
    expect(new Set(records.map((r) => r.point.seed)).size).toBe(160);
    expect(readFileSync(`${path}.torn`, 'utf8')).toContain('{"schema":1,"id"');
  });

  test('duplicates collapse by id: done beats the rest, then the latest, in any order', () => {
    const early = record(1, { accuracy: 0.1, finishedAt: '2024-01-01T00:00:00Z' });
    const late = record(1, { accuracy: 0.2, finishedAt: '2024-01-01T00:00:00.500Z' });
    const failed = record(1, { state: 'crashed', finishedAt: '2025-01-01T00:00:00Z' });
    const twin = record(1, { accuracy: 0.3, finishedAt: '2024-01-01T00:00:00.500Z' });
    const best = (rs: RunRecord[]) => {
      const path = fresh();
      writeFileSync(path, rs.map((r) => `${formatLine(r)}\n`).join(''));
      const { records } = openStore(path);
      expect(records.length).toBe(1);
      return records[0];
    };
    expect(best([early, late, failed])).toEqual(late);
    expect(best([failed, late, early])).toEqual(late);
    expect(best([failed])).toEqual(failed);
    expect(best([late, twin])).toEqual(best([twin, late]));
  });

  test('foreign, damaged and newer lines are reported with their numbers and stay in the file', () => {
    const path = fresh();
    const damaged = formatLine(record(2)).replace('"parameters":', '"parametres":');
    const lines = [formatLine(record(1)), 'hello', '{"a":1}', '', damaged, formatLine(record(3)).replace('{"schema":1', '{"schema":2'), '[]', formatLine(record(4))];
    writeFileSync(path, `${lines.join('\n')}\n`);
    const before = readFileSync(path, 'utf8');
    const store = openStore(path);
    expect(ids(store.records)).toEqual([record(1).id, record(4).id]);
    expect(store.problems.map((p) => p.line)).toEqual([2, 3, 5, 6, 7]);
    expect(store.problems.map(describeProblem).join('\n')).toMatch(/not JSON[^]*not a record[^]*breaks the schema at[^]*schema version 2; this version of recallbench reads version 1/);
    store.append(record(5));
    expect(readFileSync(path, 'utf8')).toBe(`${before}${formatLine(record(5))}\n`);
  });

  test('a store that begins with a line of a newer version is still a store', () => {
    const path = fresh();
    writeFileSync(path, `${formatLine(record(1)).replace('{"schema":1', '{"schema":99')}\n${formatLine(record(2))}\n`);
    expect(ids(openStore(path).records)).toEqual([record(2).id]);
  });

  test.each([
    ['a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    ['a text', 'Dear diary,\n'],
    ['other JSON', '{"schema":"http://json-schema.org/draft-07"}\n{"a":1}\n'],
    ['a list', '[1,2]\n'],
    ['a CSV', '\n\nmodel,accuracy\n'],
  ])('%s is refused and left as it is', (_, content) => {
    const path = fresh();
    writeFileSync(path, content);
    const before = readFileSync(path);
    expect(codeOf(() => openStore(path))).toBe('E_STORE');
    expect(codeOf(() => readStores([path]))).toBe('E_STORE');
    expect(codeOf(() => checkWritable(path))).toBe('E_STORE');
    expect(() => openStore(path)).toThrow(/left as it is/);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(dir).filter((name) => name.startsWith(path) && name !== path)).toEqual([]);
  });

  test('a foreign file that takes the place of an open store is left as it is too', () => {
    const path = fresh();
    const store = openStore(path);
    writeFileSync(path, 'not yours');
    expect(codeOf(() => store.append(record(1)))).toBe('E_STORE');
    expect(readFileSync(path, 'utf8')).toBe('not yours');
  });

  test('a folder is refused as a store', () => {
    expect(() => openStore(dir)).toThrow(/E_STORE.*it is a folder/);
  });

  test('whether it can be written is known before any run', () => {
    const path = join(dir, 'new', 'folder', 'store.jsonl');
    checkWritable(path);
    expect(statSync(path).size).toBe(0);
    checkWritable(path);
    const file = fresh();
    openStore(file).append(record(1));
    checkWritable(file);
    expect(openStore(file).records.length).toBe(1);
    expect(codeOf(() => checkWritable(join(file, 'under-a-file.jsonl')))).toBe('E_OUTPUT');
    expect(codeOf(() => openStore(join(file, 'under-a-file.jsonl')).append(record(1)))).toBe('E_OUTPUT');
    expect(() => checkWritable('/proc/no-such-place/store.jsonl')).toThrow(/E_OUTPUT.*--out/);
  });

  test('a refused record leaves the file as it was', () => {
    const path = fresh();
    const store = openStore(path);
    store.append(record(1));
    const before = readFileSync(path, 'utf8');
    expect(codeOf(() => store.append({ ...record(2), parameters: Number.NaN }))).toBe('E_STORE');
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(store.records.length).toBe(1);
  });
});

describe('a damaged store', () => {
  /** What a line may be, whole or not, with what is to be read of it and whether it is to be reported. */
  const whole = [record(1), record(2, { rows: 40 }), record(3, { state: 'crashed', reason: 'NaN' }), measurement(0), measurement(1)] as const;
  const line = fc.oneof(
    fc.constantFrom(...whole).map((r) => ({ text: formatLine(r), holds: [r] as StoredRecord[], bad: 0 })),
    fc.tuple(fc.constantFrom(...whole), fc.nat()).map(([r, cut]) => {
      const text = formatLine(r);
      return { text: text.slice(0, 1 + (cut % (text.length - 1))), holds: [], bad: 1 };
    }),
    fc.tuple(fc.constantFrom(...whole), fc.constantFrom(...whole), fc.nat()).map(([a, b, cut]) => {
      const text = formatLine(a);
      return { text: text.slice(0, 1 + (cut % (text.length - 1))) + formatLine(b), holds: [b], bad: 1 };
    }),
    fc.tuple(fc.constantFrom(...whole), fc.constantFrom(0, 2, 99)).map(([r, version]) => ({ text: formatLine(r).replace('{"schema":1', `{"schema":${version}`), holds: [], bad: 1 })),
    fc.constantFrom('NaN', 'Infinity', '-Infinity', '"many"', '', '1e', '[]').map((junk) => ({ text: formatLine(whole[1]).replace(/("curve":.*"loss":)[^,]+/, `$1${junk}`), holds: [], bad: 1 })),
    fc.constantFrom('NaN', '-1', '0', 'null').map((junk) => ({ text: formatLine(whole[3]).replace(/"samples":\[[^,]+/, `"samples":[${junk}`), holds: [], bad: 1 })),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).map((s) => s.replace(/[\n\r]/g, '?')).filter((s) => s.trim() !== '' && !s.startsWith('{')).map((text) => ({ text, holds: [], bad: 1 })),
    fc.constantFrom('', '   ').map((text) => ({ text, holds: [], bad: 0 })),
  );

  test('whatever its lines are: what is whole is read, what is not is reported by its line, and nothing is invented', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), fc.boolean(), (lines, ended) => {
        const path = fresh();
        // a first line of ours, so that it is a store
        const all = [{ text: formatLine(record(0)), holds: [record(0)] as StoredRecord[], bad: 0 }, ...lines];
        writeFileSync(path, all.map((l) => l.text).join('\n') + (ended ? '\n' : ''));
        const { records, measurements, problems } = readStores([path]);
        const expected = new Map(all.flatMap((l) => l.holds).map((r) => [r.id, r]));
        expect(new Map([...records, ...measurements].map((r) => [r.id, r]))).toEqual(expected);
        expect(records.length + measurements.length).toBe(expected.size);
        expect(problems.map((p) => p.line)).toEqual(all.flatMap((l, i) => (l.bad > 0 ? [i + 1] : [])));
      }),
      { numRuns: 300 },
    );
  });

  test('lines of any length are found, and a curve is read from its place', () => {
    const long = record(2, { rows: 20_000 });
    const longer = { ...record(3), notes: ['ö'.repeat(5 * 2 ** 20)] };
    const path = fresh();
    writeFileSync(path, [record(1), long, longer, record(4)].map((r) => `${formatLine(r)}\n`).join(''));
    const { records, problems } = readStores([path]);
    expect(problems).toEqual([]);
    expect(records.map((r) => r.notes[0]?.length ?? 0)).toEqual([0, 0, longer.notes[0].length, 0]);
    expect(records[1].curve).toEqual(long.curve);
    expect(records.map((r) => r.curve.at(-1))).toEqual([record(1), long, longer, record(4)].map((r) => r.curve.at(-1)));
  });

  test('a curve of a file that has changed since is E_STORE, not another curve', () => {
    const path = fresh();
    writeFileSync(path, `${formatLine(record(1))}\n`);
    const [changed] = readStores([path]).records;
    writeFileSync(path, `${'x'.repeat(5000)}\n`);
    expect(codeOf(() => changed.curve)).toBe('E_STORE');
    writeFileSync(path, '');
    expect(codeOf(() => changed.curve)).toBe('E_STORE');
    rmSync(path);
    expect(codeOf(() => changed.curve)).toBe('E_STORE');
  });

  test('where curves are not checked on reading, what cannot be in one is seen all the same, and the rest when it is asked for', () => {
    const good = formatLine(record(1, { rows: 20 }));
    const read = (text: string) => quickly(text, false);
    const why = (read: readonly (StoredRecord | Unreadable)[]) => read.map((r) => ('why' in r ? 'unreadable' : r));
    expect(read(good)).toEqual([record(1, { rows: 20 })]);
    expect(read(formatLine(record(1, { rows: 0 })))).toEqual([record(1, { rows: 0 })]);
    expect(why(read(formatLine(measurement(0))))).toEqual([measurement(0)]);
    for (const bad of [good.replace(/"loss":[^,]+/g, '"loss":NaN'), good.slice(0, -1), good.slice(0, -30), good.replace(/("seconds":)\d+/, '$1-Infinity')]) {
      if (bad !== good) expect(why(read(bad))).toEqual(['unreadable']);
    }
    expect(why(read(good.slice(0, -30) + formatLine(record(2))))).toEqual(['unreadable', record(2)]);
    const [odd] = read(good.replace(/"lr":([^,]+),"seconds"/, '"rl":$1,"seconds"')) as RunRecord[];
    expect(odd.id).toBe(record(1).id);
    expect(() => odd.curve).toThrow(/E_STORE.*learning curve of record .* is damaged/);
  });
});

describe('several stores', () => {
  test('keep what was measured on several devices, once for each, in any order', () => {
    const [h100, h200] = [measurement(0, 'h100'), measurement(0, 'h200')];
    expect(h100.id).toBe(h200.id);
    const failed: Measurement = { ...measurement(0, 'unknown'), outcome: { state: 'crashed' }, samples: [], finishedAt: '2025-01-01T00:00:00Z' };
    const again: Measurement = { ...h100, samples: [9], finishedAt: '2025-01-01T00:00:00Z' };
    const read = (all: readonly Measurement[]) => {
      const path = fresh();
      writeFileSync(path, all.map((m) => `${formatLine(m)}\n`).join(''));
      return readStores([path]).measurements.toSorted((a, b) => (a.device.adapter < b.device.adapter ? -1 : 1));
    };
    for (const order of [[h100, h200, failed, again], [failed, again, h200, h100], [again, failed, h100, h200]]) expect(read(order)).toEqual([again, h200]);
    expect(read([failed])).toEqual([failed]);
  });

  test('read as one, from files and folders; concatenated, they say the same', () => {
    const folder = join(dir, 'folder');
    mkdirSync(join(folder, 'inner'), { recursive: true });
    const [a, b] = [join(folder, 'a.jsonl'), join(folder, 'inner', 'b.jsonl')];
    for (const s of [1, 2, 3]) openStore(a).append(record(s));
    for (const s of [3, 4]) openStore(b).append(record(s, { finishedAt: '2024-02-01T00:00:00Z' }));
    writeFileSync(join(folder, 'notes.txt'), 'no store');
    const together = readStores([folder]);
    expect(together.problems).toEqual([]);
    expect(together.records.length).toBe(4);
    expect(readStores([a, b, folder]).records).toEqual(together.records);
    const both = fresh();
    writeFileSync(both, Buffer.concat([readFileSync(a), readFileSync(b)]));
    expect(openStore(both).records).toEqual(together.records);
  });

  test('a torn store concatenated with another loses only the torn line, however it was torn', () => {
    const [one, two] = [formatLine(record(1)), formatLine(record(2))];
    for (let cut = 1; cut <= one.length; cut += cut < 40 ? 1 : 37) {
      const path = fresh();
      writeFileSync(path, `${one.slice(0, cut)}${two}\n`);
      const { records, problems } = openStore(path);
      expect(records).toEqual(cut === one.length ? [record(1), record(2)] : [record(2)]);
      expect(problems.length).toBe(cut === one.length ? 0 : 1);
    }
    const whole = fresh();
    writeFileSync(whole, `${one}${two}`);
    expect(openStore(whole)).toMatchObject({ records: [record(1), record(2)], problems: [] });
    openStore(whole).append(record(3));
    expect(openStore(whole).records.length).toBe(3);
  });

  test('a foreign .jsonl file inside a folder is reported and passed over; named, it is refused', () => {
    const folder = join(dir, 'mixed');
    mkdirSync(folder);
    openStore(join(folder, 'good.jsonl')).append(record(1));
    writeFileSync(join(folder, 'examples.jsonl'), '{"tokens":[1,2,3]}\n');
    const { records, problems } = readStores([folder]);
    expect(records.length).toBe(1);
    expect(problems).toMatchObject([{ why: expect.stringContaining('not a store') }]);
    expect(codeOf(() => readStores([folder, join(folder, 'examples.jsonl')]))).toBe('E_STORE');
  });

  test('nothing there, or nothing inside, is E_STORE with a remedy', () => {
    expect(() => readStores([join(dir, 'nowhere.jsonl')])).toThrow(/E_STORE.*does not exist.*recallbench sweep/);
    const empty = join(dir, 'empty');
    mkdirSync(empty);
    expect(() => readStores([empty])).toThrow(/E_STORE.*no \.jsonl file/);
  });
});

test('100,000 measurements are read in seconds', () => {
  const path = fresh();
  const base = measurement(0);
  writeFileSync(path, Array.from({ length: 100_000 }, (_, i) => `${JSON.stringify({ ...base, id: i.toString(16).padStart(16, '0'), measure: { ...base.measure, repetition: i } })}\n`).join(''));
  const begin = process.cpuUsage();
  const { measurements, problems } = openStore(path);
  const { user, system } = process.cpuUsage(begin);
  expect([measurements.length, problems.length]).toEqual([100_000, 0]);
  rmSync(path);
  expect((user + system) / 1e6).toBeLessThan(10);
});

test('100,000 records are read in seconds', () => {
  const path = fresh();
  const base = madeUpRecord({ point: { model: 'm' }, rows: 10 });
  const { curve, ...head } = base;
  for (let i = 0; i < 100_000; i += 5000) {
    const lines = Array.from({ length: 5000 }, (_, j) => JSON.stringify({ ...head, id: (i + j).toString(16).padStart(16, '0'), point: { ...head.point, seed: i + j }, curve }));
    appendFileSync(path, `${lines.join('\n')}\n`);
  }
  const begin = process.cpuUsage();
  const { records, problems } = openStore(path);
  const { user, system } = process.cpuUsage(begin);
  expect(records.length).toBe(100_000);
  expect(problems).toEqual([]);
  expect(records[99_999].curve).toEqual(curve);
  rmSync(path);
  // some 2.5 s; by the processor's clock, since others use the machine too
  expect((user + system) / 1e6).toBeLessThan(10);
});

test('the id of a made-up record is its point’s', () => {
  expect(record(3).id).toBe(pointId(record(3).point));
});
