/** A worker process: trains the points, or takes the measurements, that its parent sends, one after the other, and ends with its parent. */
import type { Engine } from '#engine/engine.ts';
import { openEngine } from '#engine/index.ts';
import type { MeasureEvent, RunEvent } from './events.ts';
import type { Order } from './launch.ts';
import { measure } from './measure.ts';
import { loadPlugins } from './plugins.ts';
import { trainPoint } from './train.ts';

/** Progress messages are sent no more often than this. */
const EVERY_MS = 100;

/** the engine of the orders so far, and how it was asked for */
let engine: { readonly opened: Promise<Engine>; readonly as: string } | undefined;
let lastProgress = 0;

function send(event: RunEvent | MeasureEvent): void {
  if (event.type === 'progress') {
    const now = performance.now();
    if (now - lastProgress < EVERY_MS && event.step < event.steps) return;
    lastProgress = now;
  }
  process.send?.(event);
}

async function run(order: Order): Promise<void> {
  await loadPlugins();
  const { sweep, engine: name, engineOptions } = order;
  const as = JSON.stringify([name, engineOptions]);
  if (engine?.as !== as) {
    await (await engine?.opened)?.close();
    engine = { opened: openEngine(name, engineOptions), as };
  }
  const opened = await engine.opened;
  const about = { engine: opened, sweep, listener: send };
  const { outcome } = 'point' in order ? await trainPoint(order.point, about) : await measure(order.measure, { ...about, seconds: order.seconds });
  if (outcome.state === 'done' || outcome.state === 'diverged') return;
  // a device that was lost or ran out of memory is of no use to the next point
  engine = undefined;
  await opened.close();
}

process.on('message', (order: Order) => {
  run(order)
    .catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1));
    });
});
// a terminal sends Ctrl-C to the whole group; the parent decides
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
