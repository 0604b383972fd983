/** Bars for long work, on stderr; where stderr is no terminal there are none. */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { Listener, MeasureEvent, RunEvent } from '#harness/events.ts';
import { count, duration, percent, significant } from './quantities.ts';

/** Characters of the longest name before a bar. */
const WIDEST = 36;

/** One bar: how much of it is done, and a few words behind it. */
export class Bar {
  readonly #bar: SingleBar | undefined;
  /** the first update: what comes before it, such as compilation, says nothing about the rest */
  #from: { value: number; at: number } | undefined;
  constructor(bar?: SingleBar) {
    this.#bar = bar;
  }

  /** Begins anew with another length. */
  reset(total: number, name: string, words = ''): void {
    this.#from = undefined;
    this.#bar?.setTotal(Math.max(1, total));
    this.#bar?.update(0, { name, words, left: '' });
  }

  /** `words` stand behind the bar and the time that is left. */
  update(value: number, words: string): void {
    if (this.#bar === undefined) return;
    this.#from ??= { value, at: performance.now() };
    const seconds = (performance.now() - this.#from.at) / 1000;
    const share = (value - this.#from.value) / (this.#bar.getTotal() - this.#from.value);
    this.#bar.update(value, { words, left: share > 0 && share < 1 ? `, ${duration((seconds * (1 - share)) / share)} left,` : ',' });
  }
}

/** A block of bars. */
export class Bars {
  readonly #block = process.stderr.isTTY
    ? new MultiBar({ stream: process.stderr, format: '{name} {bar} {percentage} %{left} {words}', barsize: 12, barCompleteChar: '█', barIncompleteChar: '░', clearOnComplete: true, hideCursor: true, emptyOnZero: true })
    : undefined;

  add(total: number, name: string): Bar {
    return new Bar(this.#block?.create(Math.max(1, total), 0, { name, words: '', left: '' }));
  }

  /** Clears the bars away. */
  stop(): void {
    this.#block?.stop();
  }
}

type Progress = Extract<RunEvent, { type: 'progress' }>;

/** step 120/1000, 15.2k tokens/s, loss 1.23, accuracy 81.3 % */
function stepWords({ step, steps, tokensPerSecond, loss, accuracy }: Progress): string {
  return `step ${step}/${steps}, ${count(tokensPerSecond)} tokens/s, loss ${significant(loss)}${accuracy === null ? '' : `, accuracy ${percent(accuracy)}`}`;
}

/** The bar of one run. */
export function trainingBar(bars: Bars, name: string): Listener {
  let bar: Bar | undefined;
  return (event) => {
    if (event.type === 'start') (bar ??= bars.add(event.steps, name)).reset(event.steps, name);
    if (event.type === 'progress') bar?.update(event.step, stepWords(event));
  };
}

export interface SweepWork {
  readonly id: string;
  readonly name: string;
  /** all tokens that its training takes */
  readonly tokens: number;
}

/** Bars of a sweep: one for the whole of it, and one for each worker. */
export function sweepBars(bars: Bars, work: readonly SweepWork[], workers: number): Listener {
  const works = new Map(work.map((w) => [w.id, w]));
  const width = Math.min(WIDEST, Math.max(5, ...work.map((w) => w.name.length)));
  const fit = (name: string) => (name.length > width ? `${name.slice(0, width - 1)}…` : name.padEnd(width));
  const whole = bars.add(
    work.reduce((sum, w) => sum + w.tokens, 0),
    fit('total'),
  );
  const free = Array.from({ length: workers }, () => bars.add(1, fit('idle')));
  const running = new Map<string, { bar: Bar; tokens: number; tokensPerSecond: number }>();
  const ended = { points: 0, failed: 0, tokens: 0 };

  const showWhole = () => {
    const now = [...running.values()];
    const rate = now.reduce((sum, r) => sum + (Number.isFinite(r.tokensPerSecond) ? r.tokensPerSecond : 0), 0);
    const failed = ended.failed === 0 ? '' : `, ${ended.failed} failed`;
    whole.update(
      ended.tokens + now.reduce((sum, r) => sum + r.tokens, 0),
      `point ${ended.points}/${work.length}${failed}${rate > 0 ? `, ${count(rate)} tokens/s` : ''}`,
    );
  };
  return (event) => {
    const { name, tokens } = works.get(event.id)!;
    if (event.type === 'start') {
      const bar = free.shift() ?? new Bar();
      bar.reset(event.steps, fit(name));
      running.set(event.id, { bar, tokens: 0, tokensPerSecond: NaN });
    } else if (event.type === 'progress') {
      const run = running.get(event.id);
      if (run === undefined) return;
      run.tokens = (tokens * event.step) / event.steps;
      run.tokensPerSecond = event.tokensPerSecond;
      run.bar.update(event.step, stepWords(event));
    } else {
      const run = running.get(event.id);
      running.delete(event.id);
      if (run !== undefined) {
        run.bar.reset(1, fit('idle'));
        free.push(run.bar);
      }
      ended.points++;
      ended.tokens += tokens;
      if (event.record.outcome.state === 'crashed') ended.failed++;
    }
    showWhole();
  };
}

/** The bar of measurements, taken one after the other. */
export function measuringBar(bars: Bars, work: readonly { readonly id: string; readonly name: string }[]): (event: MeasureEvent) => void {
  const names = new Map(work.map((w) => [w.id, w.name]));
  const bar = bars.add(work.length, 'measurements');
  let ended = 0;
  return (event) => {
    if (event.type === 'finish') ended++;
    bar.update(ended, `${ended}/${work.length} ${names.get(event.id)!}`);
  };
}
