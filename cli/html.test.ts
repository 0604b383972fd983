/** The HTML report as people get it and open it: written by the built command line, looked at in a headless Chromium. Needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { expandSweep, parseSweep } from '#harness/sweep.ts';
import { expandThroughput, parseThroughput } from '#harness/throughput.ts';
import { measureRecipe, recipeOf } from '#reports/html/command.ts';
import { htmlReport } from '#reports/html/report.ts';
import { figures } from '#reports/index.ts';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import { parsePoint, pointId } from '#results/point.ts';
import type { RunRecord } from '#results/record.ts';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');
const root = mkdtempSync(join(tmpdir(), 'recallbench-html-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = (args: readonly string[]) => spawnSync(process.execPath, [entry, ...args], { cwd: root, encoding: 'utf8' });
const json = (args: readonly string[]): unknown => {
  const { status, stdout, stderr } = run([...args, '--json']);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
};

const reason = 'E_DEVICE: gone </script><script>globalThis.hacked = true</script>';
const made = (label: string, order: number, color: string, dState: number, accuracy: number, more: { seed?: number; lr?: number; state?: 'crashed' } = {}): RunRecord => {
  const { seed = 0, lr = 0.001, state } = more;
  return madeUpRecord({
    point: { model: label.toLowerCase(), modelOptions: { dState }, seed, lr, task: 'mqar' },
    appearance: { label, order, color, marker: order === 1 ? 'rect' : 'circle' },
    accuracy: accuracy - seed / 100,
    stateBytes: 1024 * dState,
    sweep: `sweep-${order}`,
    ...(state === undefined ? {} : { state, reason }),
  });
};
const runs = [
  ...[16, 64].flatMap((dState) => [0, 1].flatMap((seed) => [made('Alpha', 1, '#0072b2', dState, dState / 100 + 0.2, { seed }), made('Beta', 2, '#d55e00', dState, dState / 200, { seed })])),
  made('Beta', 2, '#d55e00', 128, 0, { state: 'crashed' }),
];
const [first] = runs;
const crashed = runs.at(-1)!;
const measurements = [512, 1024].flatMap((seqLen) => [0, 1].map((repetition) => madeUpMeasurement({ measure: { workload: 'ssd', engine: 'wasm', options: { seqLen, direction: 'forward' }, repetition }, samples: [seqLen / 100, seqLen / 90], appearance: { label: 'SSD, chunked' }, tokens: seqLen })));

describe('report --format html', () => {
  writeFileSync(join(root, 'store.jsonl'), `${[...runs, ...measurements, first].map((r) => JSON.stringify(r)).join('\n')}\n{"schema":1,"id":"torn\n`);

  test('writes one file, beside the other formats where they are asked for', () => {
    expect(json(['report', 'all', '--from', 'store.jsonl', '--format', 'html', '--out', 'only'])).toMatchObject({ written: [join('only', 'report.html')], records: runs.length });
    expect(readdirSync(join(root, 'only'))).toEqual(['report.html']);
    const { written } = json(['report', 'recall-vs-state', '--from', 'store.jsonl', '--format', 'csv,html', '--out', 'two', '--title', 'Two']) as { written: string[] };
    expect(written.toSorted()).toEqual([join('two', 'recall-vs-state.csv'), join('two', 'report.html')]);
    const page = readFileSync(join(root, 'two', 'report.html'), 'utf8');
    expect(page.match(/<article/g)).toHaveLength(1);
    expect(page).toMatch(/<h1>Two<\/h1>/);
  });

  test('says what is wrong with the stores, and holds what was asked for only', () => {
    const page = readFileSync(join(root, 'only', 'report.html'), 'utf8');
    expect(page.includes(`:${runs.length + measurements.length + 2}: torn: `)).toBe(true);
    expect(page.includes('1 record gave way to another')).toBe(true);
    json(['report', 'all', '--from', 'store.jsonl', '--format', 'html', '--out', 'alpha', '--model', 'alpha']);
    expect(readFileSync(join(root, 'alpha', 'report.html'), 'utf8')).not.toMatch(/Beta/);
  });

  test('an unknown format is refused with the known ones', () => {
    const { status, stderr } = run(['report', 'all', '--from', 'store.jsonl', '--format', 'htm']);
    expect(status).toBe(2);
    expect(stderr).toContain('Did you mean "html"?');
  });
});

describe('the commands that make a run again', () => {
  const base = { task: 'mqar', model: 'mamba2', dModel: 16, layers: 1, batch: 4, lr: 0.003, train: [{ options: { vocabSize: 32, seqLen: 16, pairs: 2 }, examples: 8 }], test: [{ options: { vocabSize: 32, seqLen: 16, pairs: 2 }, examples: 4 }] };
  /** The point with all that the sweep fills in. */
  const planned = (raw: object) => expandSweep(parseSweep({ name: 'raw', base: raw }, 'here'))[0];

  test('a file and `sweep` give the very same run, whatever the point', () => {
    for (const raw of [base, { ...base, model: 'mamba2,attention', layers: 2, modelOptions: { mamba2: { dState: 8 } }, positions: true, epochs: 2, data: 'fixed', train: [base.train[0], { ...base.train[0], examples: 12 }], batch: undefined, batchTokens: 64 }]) {
      const { id, point } = planned(raw);
      const { file, command } = recipeOf(id, point, { engine: 'wasm', threads: 1 });
      writeFileSync(join(root, file.name), file.text);
      const [name, ...args] = command.split(' ');
      expect(name).toBe('recallbench');
      expect(json([...args, '--dry-run'])).toMatchObject({ points: [{ id }] });
    }
  });

  test('`train` gives the very same run where it can say the point, and is not offered where it cannot', () => {
    const { id, point } = planned({ ...base, modelOptions: { dState: 8 }, warmup: 0.1, earlyStop: 0.9, schedule: 'cosine', mlp: 2, glu: 'swiglu', seed: 3 });
    const { train } = recipeOf(id, point, { engine: 'wasm', threads: 1 });
    expect(json(train!.split(' ').slice(1))).toMatchObject({ id });
    for (const other of [{ epochs: 2 }, { data: 'fixed' }, { train: [point.train[0], point.train[0]] }, { test: [{ ...point.test[0], options: { ...point.test[0].options, pairs: 1 } }] }, { batch: 3 }] as const) {
      const changed = parsePoint({ ...point, ...other });
      expect(recipeOf(pointId(changed), changed, { engine: 'wasm' }).train, JSON.stringify(other)).toBeUndefined();
    }
  });

  test('a file and `throughput` measure the very same', () => {
    const asked = expandThroughput(parseThroughput({ name: 'ops', repetitions: 2, roofs: false, grids: [{ base: { workload: 'ssd', options: { seqLen: 64, heads: 1, dState: 8 } } }] }, 'here'), { engine: 'wasm', threads: 1, kind: 'cpu' });
    const recipe = measureRecipe(asked[0].measure, 2, asked[0].id)!;
    writeFileSync(join(root, recipe.file.name), recipe.file.text);
    expect(json([...recipe.command.split(' ').slice(1), '--dry-run'])).toMatchObject({ measures: asked.map(({ id }) => ({ id })) });
    expect(measureRecipe({ ...asked[0].measure, engine: 'pytorch' }, 2, 'x')).toBeUndefined();
  });
});

const executable = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path !== undefined && existsSync(path));

describe.skipIf(executable === undefined)(`the report in a browser${executable === undefined ? ' (no Chromium here: apt-get install chromium, or set CHROMIUM)' : ''}`, () => {
  let browser: Browser;
  const file = join(root, 'page.html');
  const address = pathToFileURL(file).href;
  beforeAll(async () => {
    const drawn = (['recall-vs-state', 'learning-curves', 'time-vs-length'] as const).map((name) => figures[name].build({ records: runs, measurements }));
    writeFileSync(file, htmlReport({ records: runs, measurements }, drawn));
    browser = await chromium.launch({ executablePath: executable!, args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());

  /** Opens an address and, when the test is over, makes sure that nothing was complained of and nothing asked of a network. */
  async function open(url: string, look: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    const heard: string[] = [];
    page.on('console', (message) => heard.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => heard.push(String(error)));
    page.on('request', (request) => /^(?:file|data|blob):/.test(request.url()) || heard.push(`asked for ${request.url()}`));
    await page.goto(url);
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    await look(page);
    expect(heard).toEqual([]);
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
    await context.close();
  }

  const table = (page: Page) => page.locator('[data-table=runs]');
  const count = (page: Page) => table(page).locator('.count').innerText();
  /** The texts of a column, in the order shown. */
  const column = async (page: Page, key: string): Promise<string[]> => {
    const at = await table(page).locator('th').evaluateAll((heads, k) => heads.findIndex((head) => head.getAttribute('data-key') === k), key);
    return table(page).locator(`tbody tr[data-place] td:nth-child(${at + 1})`).allInnerTexts();
  };
  const hash = (page: Page) => new URLSearchParams(new URL(page.url()).hash.slice(1));
  /** Whether somebody drew on a canvas. */
  const inked = (page: Page, selector: string) => page.locator(selector).first().evaluate((canvas) => {
    const { width, height } = canvas as unknown as { width: number; height: number };
    const context = (canvas as unknown as { getContext(kind: '2d'): { getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray } } }).getContext('2d');
    return context.getImageData(0, 0, width, height).data.some((x) => x !== 0);
  });

  test('opens without a word in the console, with figures and all runs', () =>
    open(address, async (page) => {
      expect(await page.title()).toBe('Recall report');
      expect(await count(page)).toBe('9 runs');
      expect(await page.locator('article.figure').count()).toBe(3);
      expect(await inked(page, '#figure-recall-vs-state canvas[role=img]')).toBe(true);
      await page.locator('#figure-time-vs-length').scrollIntoViewIfNeeded();
      await page.waitForSelector('#figure-time-vs-length canvas[role=img]');
      expect(await inked(page, '#figure-time-vs-length canvas[role=img]')).toBe(true);
      expect(await page.locator('[data-table=costs] tbody tr[data-place]').count()).toBe(2);
      expect(await page.locator('[data-table=missing]').innerText()).toContain('crashed');
    }));

  test('filters by words and by columns; the address keeps the view', () =>
    open(address, async (page) => {
      await table(page).locator('input').fill('ALPHA n=16');
      expect(await count(page)).toBe('2 of 9 runs');
      await table(page).locator('input').fill('');
      await table(page).locator('select[data-key=model]').selectOption('Beta');
      expect(await count(page)).toBe('5 of 9 runs');
      await table(page).locator('select[data-key=outcome]').selectOption('crashed');
      expect(await count(page)).toBe('1 of 9 runs');
      await expect.poll(() => Object.fromEntries(hash(page))).toEqual({ model: 'Beta', outcome: 'crashed' });
      await page.reload();
      await page.waitForSelector('html[data-ready]', { state: 'attached' });
      expect(await count(page)).toBe('1 of 9 runs');
      await table(page).getByText('Clear filters').click();
      expect(await count(page)).toBe('9 runs');
      await table(page).locator('input').fill('no such thing');
      expect(await table(page).locator('tbody').innerText()).toContain('No runs are left');
    }));

  test('sorts by every column, up and down, and what has no value comes last', () =>
    open(address, async (page) => {
      const keys = await table(page).locator('th').evaluateAll((heads) => heads.map((head) => head.getAttribute('data-key')!));
      expect(keys).toEqual(expect.arrayContaining(['model', 'task', 'dModel', 'lr', 'seed', 'outcome', 'accuracy', 'validation', 'loss', 'state', 'parameters', 'speed', 'steps', 'time']));
      for (const key of keys) {
        const ways = await page.evaluate<string[]>(`(() => { const head = document.querySelector('[data-table=runs] th[data-key=${key}]'); return [0, 1].map(() => (head.querySelector('button').click(), head.ariaSort)); })()`);
        expect(ways.toSorted(), key).toEqual(['ascending', 'descending']);
      }
      await table(page).locator('th[data-key=accuracy] button').click();
      const down = await column(page, 'accuracy');
      expect(down.map(Number)).toEqual([84, 83, 36, 35, 32, 31, 8, 7, 0]);
      expect(down.at(-1)).toBe('');
      await table(page).locator('th[data-key=accuracy] button').click();
      const up = await column(page, 'accuracy');
      expect(up.slice(0, -1)).toEqual(down.slice(0, -1).toReversed());
      expect(up.at(-1)).toBe('');
      await expect.poll(() => hash(page).get('sort')).toBe('accuracy');
    }));

  test('takes the theme of the system, switches it with all figures, and remembers', () =>
    open(address, async (page) => {
      const look = async () => ({ paper: await page.evaluate('getComputedStyle(document.body).backgroundColor'), drawing: await page.locator('#figure-recall-vs-state canvas[role=img]').first().evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL()) });
      const dark = await look();
      expect(dark.paper).toBe('rgb(22, 24, 29)');
      await page.locator('#theme').click();
      const light = await look();
      expect(light.paper).toBe('rgb(248, 247, 244)');
      expect(light.drawing === dark.drawing).toBe(false);
      // the browser stores what it is given to remember a moment later, and a reload may come before that
      await expect.poll(async () => {
        await page.reload();
        await page.waitForSelector('html[data-ready]', { state: 'attached' });
        return (await look()).paper;
      }).toBe(light.paper);
      await page.locator('#theme').click();
      expect((await look()).paper).toBe(dark.paper);
    }, { colorScheme: 'dark' }));

  test('follows a link to a run: curve, slices, configuration, command, environment', () =>
    open(`${address}#run=${first.id}`, async (page) => {
      const detail = page.locator('dialog[open]');
      expect(await detail.locator('h2').innerText()).toBe('Alpha, N=16, width 64, lr 0.001, seed 0');
      expect(JSON.parse(await detail.locator('pre.config').innerText())).toEqual(first.point);
      const text = await detail.innerText();
      for (const words of ['36.0 %', 'seqLen 64, pairs 8', 'no device', 'node 20', 'recallbench train --task mqar --model alpha', `recallbench sweep run-${first.id}.json --engine made-up`]) expect(text).toContain(words);
      await page.waitForSelector('dialog canvas[role=img]');
      expect(await inked(page, 'dialog canvas[role=img]')).toBe(true);
      await page.keyboard.press('Escape');
      expect(await page.locator('dialog[open]').count()).toBe(0);
      // the page hears of the closing a moment later
      await expect.poll(() => hash(page).get('run')).toBeNull();
    }));

  test('opens a run from its row, the next one by a key, and goes back', () =>
    open(address, async (page) => {
      await table(page).locator('th[data-key=accuracy] button').click();
      await table(page).locator('tbody a').first().click();
      const opened = () => page.locator('dialog[open] h2').innerText();
      expect(await opened()).toBe('Alpha, N=64, width 64, lr 0.001, seed 0');
      await page.keyboard.press('j');
      expect(await opened()).toBe('Alpha, N=64, width 64, lr 0.001, seed 1');
      expect(hash(page).get('sort')).toBe('-accuracy');
      await page.goBack();
      expect(await page.locator('dialog[open]').count()).toBe(0);
      await page.evaluate(`location.hash = 'run=${crashed.id}'`);
      expect(await page.locator('dialog[open] .failure').innerText()).toBe(`crashed: ${reason}`);
      await page.evaluate(`location.hash = 'run=nobody'`);
      expect(await opened()).toBe('Not in this report');
    }));

  test('tells the facts of a mark, leads to the runs behind it, and hides a series', () =>
    open(address, async (page) => {
      const canvas = page.locator('#figure-recall-vs-state canvas[role=img]').first();
      await canvas.scrollIntoViewIfNeeded();
      // the keyboard goes from mark to mark
      await canvas.focus();
      await page.keyboard.press('ArrowRight');
      const tip = page.locator('.tip');
      expect(await tip.innerText()).toMatch(/Alpha[\s\S]*Test accuracy[\s\S]*0\.355[\s\S]*16 KiB/);
      // the mouse too, where the mark is
      const ring = (await page.locator('#figure-recall-vs-state .ring').boundingBox())!;
      await page.mouse.move(5, 5);
      await canvas.blur();
      expect(await tip.isVisible()).toBe(false);
      await page.mouse.move(ring.x + 8, ring.y + 8);
      expect(await tip.innerText()).toContain('click for the 2 runs behind it');
      const before = await canvas.evaluate((c) => (c as unknown as { toDataURL(): string }).toDataURL());
      await page.mouse.click(ring.x + 8, ring.y + 8);
      expect(await count(page)).toBe('2 of 9 runs');
      expect(new Set(await column(page, 'model'))).toEqual(new Set(['Alpha']));
      expect(hash(page).get('ids')!.split(',')).toHaveLength(2);
      const entry = page.locator('#figure-recall-vs-state .legend button', { hasText: 'Alpha' });
      await entry.click();
      expect(await entry.getAttribute('aria-pressed')).toBe('false');
      expect((await canvas.evaluate((c) => (c as unknown as { toDataURL(): string }).toDataURL())) === before).toBe(false);
    }));

  test('goes through the rows by keyboard', () =>
    open(address, async (page) => {
      await table(page).locator('tbody a[tabindex="0"]').focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      expect(hash(page).get('run')).toBe(runs[2].id);
      await page.keyboard.press('Escape');
      expect(await page.evaluate('document.activeElement.getAttribute("href")')).toBe(`#run=${runs[2].id}`);
    }));

  test('fits a phone, and prints all rows on white', () =>
    open(address, async (page) => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
      await page.evaluate(`location.hash = 'run=${first.id}'`);
      await page.waitForSelector('dialog canvas[role=img]');
      expect(await page.locator('dialog').evaluate((d) => (d as unknown as { scrollWidth: number }).scrollWidth)).toBeLessThanOrEqual(360);
      await page.keyboard.press('Escape');
      await page.emulateMedia({ media: 'print' });
      await page.evaluate('dispatchEvent(new Event("beforeprint"))');
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
      expect(await page.locator('#figure-time-vs-length canvas[role=img]').count()).toBeGreaterThan(0);
      expect(await table(page).locator('tbody tr[data-place]').count()).toBe(9);
      expect(await page.locator('.filters').first().isVisible()).toBe(false);
    }, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }));

  test('10,000 runs: ready within 2 s, a filter within 100 ms', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) =>
      madeUpRecord({
        point: { model: ['alpha', 'beta', 'gamma', 'delta'][i % 4], dModel: 32 << (Math.floor(i / 4) % 4), modelOptions: { dState: 8 << (Math.floor(i / 16) % 5) }, lr: [1e-4, 1e-3, 1e-2][Math.floor(i / 80) % 3], seed: Math.floor(i / 240) },
        appearance: { label: ['Alpha', 'Beta', 'Gamma', 'Delta'][i % 4], order: i % 4, color: '#0072b2' },
        accuracy: (i % 1000) / 1000,
        rows: 60,
        ...(i % 97 === 0 ? { state: 'diverged' as const, reason: 'loss is not finite' } : {}),
      }),
    );
    const big = join(root, 'big.html');
    writeFileSync(big, htmlReport({ records: many, measurements: [] }, (['recall-vs-state', 'accuracy-vs-width', 'learning-curves'] as const).map((name) => figures[name].build({ records: many, measurements: [] }))));
    const megabytes = statSync(big).size / 2 ** 20;
    expect(megabytes).toBeLessThan(16);
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    // time of the page's own thread: what other processes take of the machine is not the page's
    const devtools = await context.newCDPSession(page);
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busy = async () => 1000 * (await devtools.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration')!.value;
    const before = await busy();
    await page.goto(pathToFileURL(big).href, { waitUntil: 'commit' });
    await page.waitForSelector('html[data-ready]', { state: 'attached', timeout: 120_000 });
    const ready = { wall: await page.evaluate<number>('performance.getEntriesByName("interactive")[0].startTime'), page: (await busy()) - before };
    expect(await count(page)).toBe('10,000 runs');
    await page.waitForTimeout(300);

    /** Milliseconds from a change to the rows laid out. */
    const time = (act: string) => page.evaluate<number>(`(() => { const input = document.querySelector('[data-table=runs] input'); const t = performance.now(); ${act}; document.querySelector('[data-table=runs] tbody').getBoundingClientRect(); return performance.now() - t; })()`);
    const typed = async (text: string): Promise<{ wall: number; page: number }> => {
      const from = await busy();
      const wall = await time(`input.value = ${JSON.stringify(text)}; input.dispatchEvent(new Event('input'))`);
      return { wall, page: (await busy()) - from };
    };
    const filters = [];
    for (const text of ['a', 'al', 'alpha', 'alpha n=64 diverged', 'beta', '']) {
      // what else the machine does only adds to a time: the least of three is that of the page
      const tries = [];
      for (let i = 0; i < 3; i++) {
        await typed('delta');
        tries.push(await typed(text));
      }
      filters.push({ wall: Math.min(...tries.map((t) => t.wall)), page: Math.min(...tries.map((t) => t.page)) });
    }
    expect(await count(page)).toBe('10,000 runs');
    const sort = await time('document.querySelector("[data-table=runs] th[data-key=accuracy] button").click()');
    const scroll = await time('document.querySelector("[data-table=runs] .scroller").scrollTop = 160000');
    await expect.poll(() => page.evaluate<number>('Number(document.querySelector("[data-table=runs] tr[data-place]").dataset.place)')).toBeGreaterThan(4000);
    expect(await table(page).locator('tbody tr').count()).toBeLessThan(60);
    await context.close();

    const words = (x: { wall: number; page: number }) => `${Math.round(x.wall)} ms (${Math.round(x.page)} of its thread)`;
    const measured = `${megabytes.toFixed(1)} MiB; ready after ${words(ready)}; filters ${filters.map(words).join(', ')}; sort ${Math.round(sort)} ms; scroll ${Math.round(scroll)} ms`;
    process.stderr.write(`10,000 runs: ${measured}\n`);
    expect(Math.min(ready.wall, ready.page), measured).toBeLessThan(2000);
    for (const filter of filters) expect(Math.min(filter.wall, filter.page), measured).toBeLessThan(100);
  });
});
