/** A worker process: trains the points that its parent sends, one after the other, and ends with its parent. */
import type { Engine } from '#engine/engine.ts';
import { openEngine } from '#engine/index.ts';
import type { RunEvent } from './events.ts';
import type { Order } from './launch.ts';
import { trainPoint } from './train.ts';

/** Progress messages are sent no more often than this. */
const EVERY_MS = 100;

let engine: Promise<Engine> | undefined;
let lastProgress = 0;

function send(event: RunEvent): void {
  if (event.type === 'progress') {
    const now = performance.now();
    if (now - lastProgress < EVERY_MS && event.step < event.steps) return;
    lastProgress = now;
  }
  process.send?.(event);
}

process.on('message', (order: Order) => {
  engine ??= openEngine(order.engine, order.threads === undefined ? {} : { threads: order.threads });
  engine
    .then((opened) => trainPoint(order.point, { engine: opened, sweep: order.sweep, listener: send }))
    .catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1));
    });
});
// a terminal sends Ctrl-C to the whole group; the parent decides
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
