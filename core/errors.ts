/** Errors that a user can act on: a stable code, what is wrong, and the remedy in the message. */

export type ErrorCode =
  | 'E_CONFIG' // an unknown key, a wrong type, a value out of range
  | 'E_NAME' // an unknown task, model, engine, sweep, figure
  | 'E_SIZE' // sizes that do not fit together
  | 'E_OUTPUT' // a path that cannot be written
  | 'E_STORE' // a file that is not a store, or a store of another version
  | 'E_COMPARE' // stores that cannot be compared: other devices, nothing in common
  | 'E_OP' // an operation that the graph does not know
  | 'E_SHAPE' // operands of a tensor operation that do not fit
  | 'E_ENGINE' // an engine that cannot run here
  | 'E_MEMORY' // more memory than the engine has
  | 'E_DEVICE' // a device that went away
  | 'E_PLUGIN' // a plugin that cannot be loaded or defines nothing
  | 'E_RUN'; // a run that failed

export class RecallbenchError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = 'RecallbenchError';
    this.code = code;
  }
}

/** Edit distance (Levenshtein), for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** The known name nearest to `name`, if any is near enough to be a slip of the keyboard. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((k) => ({ k, d: distance(name.toLowerCase(), k.toLowerCase()) }))
    .sort((x, y) => x.d - y.d);
  const best = ranked[0];
  return best && best.d <= Math.max(2, Math.floor(name.length / 3)) ? best.k : undefined;
}

/** `unknown key "lrr". Did you mean "lr"? Known: lr, seed.` */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `unknown ${kind} "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${known.join(', ')}.`;
}
