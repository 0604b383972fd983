/**
 * Runs the points of a sweep in worker processes, so that a crash is a row and not the end of the sweep. The parent alone
 * writes the store: a point is either wholly in it or not begun.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#core/package-info.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { EngineOptions } from '#engine/engine.ts';
import type { RunRecord } from '#results/record.ts';
import type { Listener, RunEvent } from './events.ts';
import type { PlannedPoint } from './sweep.ts';
import { crashRecord } from './crash.ts';

/** What the parent sends. */
export interface Order {
  readonly point: PlannedPoint['point'];
  readonly sweep: string;
  readonly engine: string;
  readonly engineOptions: EngineOptions;
}

export interface LaunchOptions {
  readonly sweep: string;
  readonly engine: string;
  readonly workers: number;
  /** how the workers open it; the precision is the point's */
  readonly engineOptions: EngineOptions;
  readonly signal?: AbortSignal;
  readonly listener: Listener;
  /** called with every finished record, in the order they finish; it must have stored the record when it returns */
  readonly store: (record: RunRecord) => void;
}

/** Outcomes that a re-run would not change; points with others are run again. */
export const finished: ReadonlySet<RunRecord['outcome']['state']> = new Set(['done', 'diverged', 'unsupported', 'out-of-memory']);

/** Runs every point. Resolves when all are stored, or when the signal aborts (points under way are dropped). */
export async function launch(points: readonly PlannedPoint[], options: LaunchOptions): Promise<void> {
  const entry = join(packageRoot, 'dist', 'harness', 'worker.js');
  if (!existsSync(entry)) throw new RecallbenchError('E_ENGINE', `the built worker is missing (${entry}). Remedy: npm run build.`);
  const queue = [...points];
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
    await Promise.all(Array.from({ length: Math.min(options.workers, points.length) }, worker));
  } finally {
    options.signal?.removeEventListener('abort', kill);
    kill();
  }
}

/** One point in one child; a child that dies gives the outcome `crashed`, or undefined when we ended it ourselves. */
function runOne(child: ChildProcess, planned: PlannedPoint, options: LaunchOptions): Promise<RunRecord | undefined> {
  return new Promise((resolve) => {
    const startedAt = new Date();
    let complaint = '';
    const hear = (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000));
    const done = (record: RunRecord | undefined) => {
      child.off('message', message);
      child.off('exit', exit);
      child.stderr?.off('data', hear);
      resolve(record);
    };
    const message = (event: RunEvent) => {
      options.listener(event);
      if (event.type === 'finish') done(event.record);
    };
    const exit = (code: number | null, signal: string | null) => {
      if (options.signal?.aborted === true) {
        done(undefined);
        return;
      }
      const reason = `the worker process ended with ${signal === null ? `exit code ${code}` : `signal ${signal}`}${complaint === '' ? '' : `: ${complaint.trim().split('\n').slice(-3).join(' | ')}`}`;
      const record = crashRecord(planned.point, { sweep: options.sweep, reason, startedAt });
      options.listener({ type: 'finish', id: planned.id, record });
      done(record);
    };
    child.on('message', message);
    child.on('exit', exit);
    // a message to a child that has just died; its exit tells the rest
    child.once('error', () => {});
    child.stderr?.on('data', hear);
    const order: Order = { point: planned.point, sweep: options.sweep, engine: options.engine, engineOptions: { ...options.engineOptions, precision: planned.point.precision } };
    child.send(order, () => {});
  });
}
