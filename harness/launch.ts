/**
 * Runs the points of a sweep, or measurements, in worker processes, so that a crash is a row and not the end of the sweep. The
 * parent alone writes the store: a point is either wholly in it or not begun.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#core/package-info.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { EngineOptions } from '#engine/engine.ts';
import type { StoredRecord } from '#results/line.ts';
import type { Measure } from '#results/measurement.ts';
import type { Point } from '#results/point.ts';
import type { RunRecord } from '#results/record.ts';
import type { PlannedPoint } from './sweep.ts';
import { crashRecord } from './crash.ts';

/** What the parent sends. */
export type Order = (TrainOrder | MeasureOrder) & {
  readonly sweep: string;
  readonly engine: string;
  readonly engineOptions: EngineOptions;
};
export interface TrainOrder {
  readonly point: Point;
}
export interface MeasureOrder {
  readonly measure: Measure;
  /** of sampling */
  readonly seconds: number;
}

/** One piece of work for a worker, which ends as one record. */
export interface Job<R extends StoredRecord> {
  readonly id: string;
  readonly order: Order;
  /** The record where the worker died over it. */
  crashed(about: Death): R;
}
export interface Death {
  readonly sweep: string;
  readonly reason: string;
  readonly startedAt: Date;
}

/** How the workers of a sweep open their engine. */
export interface Setting {
  readonly sweep: string;
  readonly engine: string;
  /** the precision is that of the point */
  readonly engineOptions: EngineOptions;
}

/** The points of a sweep as jobs. */
export function trainingJobs(points: readonly PlannedPoint[], { sweep, engine, engineOptions }: Setting): Job<RunRecord>[] {
  return points.map(({ id, point }) => ({ id, order: { point, sweep, engine, engineOptions: { ...engineOptions, precision: point.precision } }, crashed: (death) => crashRecord(point, death) }));
}

/** What a worker says while it runs jobs that end as `R`. */
export type JobEvent<R> = { readonly type: 'finish'; readonly id: string; readonly record: R } | { readonly type: string; readonly id: string };

export interface LaunchOptions<R, E> {
  readonly workers: number;
  readonly signal?: AbortSignal;
  readonly listener: (event: E) => void;
  /** called with every finished record, in the order they finish; it must have stored the record when it returns */
  readonly store: (record: R) => void;
}

/** Outcomes that a re-run would not change; points with others are run again. */
export const finished: ReadonlySet<RunRecord['outcome']['state']> = new Set(['done', 'diverged', 'unsupported', 'out-of-memory']);

/** Runs every job. Resolves when all are stored, or when the signal aborts (jobs under way are dropped). */
export async function launch<R extends StoredRecord, E extends JobEvent<R>>(jobs: readonly Job<R>[], options: LaunchOptions<R, E>): Promise<void> {
  const entry = join(packageRoot, 'dist', 'harness', 'worker.js');
  if (!existsSync(entry)) throw new RecallbenchError('E_ENGINE', `the built worker is missing (${entry}). Remedy: npm run build.`);
  const queue = [...jobs];
  const children = new Set<ChildProcess>();
  // true once we end the workers ourselves: what they then say is no result
  let stopping = false;
  const kill = () => {
    stopping = true;
    for (const c of children) c.kill('SIGKILL');
  };
  options.signal?.addEventListener('abort', kill);

  const worker = async (): Promise<void> => {
    let child: ChildProcess | undefined;
    for (;;) {
      const next = stopping ? undefined : queue.shift();
      if (next === undefined) break;
      if (child === undefined) {
        child = fork(entry, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
        // a message to a child that has just died; its exit tells the rest
        child.on('error', () => {});
        children.add(child);
      }
      const record = await runOne(child, next, options);
      if (child.exitCode !== null || child.signalCode !== null) {
        children.delete(child);
        child = undefined;
      }
      if (stopping || record === undefined || record.outcome.state === 'interrupted') continue;
      options.store(record);
    }
    if (child !== undefined) {
      child.disconnect();
      children.delete(child);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(options.workers, jobs.length) }, worker));
  } finally {
    options.signal?.removeEventListener('abort', kill);
    kill();
  }
}

/** One job in one child; a child that dies gives the outcome `crashed`, or undefined when we ended it ourselves. */
function runOne<R extends StoredRecord, E extends JobEvent<R>>(child: ChildProcess, job: Job<R>, options: LaunchOptions<R, E>): Promise<R | undefined> {
  return new Promise((resolve) => {
    const startedAt = new Date();
    let complaint = '';
    const hear = (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000));
    const done = (record: R | undefined) => {
      child.off('message', message);
      child.off('exit', exit);
      child.stderr?.off('data', hear);
      resolve(record);
    };
    const message = (event: E) => {
      options.listener(event);
      if ('record' in event) done(event.record);
    };
    const exit = (code: number | null, signal: string | null) => {
      if (options.signal?.aborted === true) {
        done(undefined);
        return;
      }
      const reason = `the worker process ended with ${signal === null ? `exit code ${code}` : `signal ${signal}`}${complaint === '' ? '' : `: ${complaint.trim().split('\n').slice(-3).join(' | ')}`}`;
      const record = job.crashed({ sweep: job.order.sweep, reason, startedAt });
      options.listener({ type: 'finish', id: job.id, record } satisfies JobEvent<R> as JobEvent<R> as E);
      done(record);
    };
    child.on('message', message);
    child.on('exit', exit);
    child.stderr?.on('data', hear);
    child.send(job.order, () => {});
  });
}
