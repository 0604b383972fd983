/** Ctrl-C: the first asks the work to stop, the second ends the process at once. */

export const INTERRUPTED = 130;

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C back its usual meaning. */
  done(): void;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const hear = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, hear);
  return {
    signal: controller.signal,
    done: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, hear);
    },
  };
}
