/** How runs end that do not end as they should. */
import { RecallbenchError } from '#core/errors.ts';
import type { RunRecord } from '#results/record.ts';

/** Training that has left the numbers behind. */
export class Diverged extends Error {
  constructor(step: number, loss: number) {
    super(`loss ${loss} at step ${step}`);
  }
}

/** The one place where an exception becomes an outcome. */
export function ending(error: unknown): RunRecord['outcome'] {
  if (error instanceof Diverged) return { state: 'diverged', reason: error.message };
  if (error instanceof DOMException && error.name === 'AbortError') return { state: 'interrupted' };
  if (error instanceof RecallbenchError && error.code === 'E_MEMORY') return { state: 'out-of-memory', reason: error.message };
  if (error instanceof RecallbenchError && error.code === 'E_OP') return { state: 'unsupported', reason: error.message };
  if (error instanceof RangeError && /memory|allocation/i.test(error.message)) return { state: 'out-of-memory', reason: error.message };
  return { state: 'crashed', reason: error instanceof Error ? error.message : String(error) };
}
