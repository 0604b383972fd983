/** The one path of errors: what went wrong as a code, a message and an exit code. */
import { CommanderError } from 'commander';
import { RecallbenchError, unknownName } from '#core/errors.ts';

export interface Failure {
  /** undefined where there is nothing to say, as after --help */
  readonly code: string | undefined;
  readonly message: string;
  readonly exitCode: number;
  readonly stack?: string | undefined;
}

/** What an exception means; `args` and `names` are the words of the command line and the known commands. */
export function failure(error: unknown, args: readonly string[], names: readonly string[]): Failure {
  if (error instanceof CommanderError) return usage(error, args, names);
  const stack = error instanceof Error ? error.stack : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RecallbenchError) {
    return { code: error.code, message: message.replace(`${error.code}: `, ''), exitCode: error.code === 'E_ENGINE' || error.code === 'E_COMPARE' ? 3 : 2, stack };
  }
  if (error instanceof RangeError && /allocation|array length|buffer size/i.test(message)) {
    return { code: 'E_MEMORY', message: `these sizes need more memory than there is (${message}). Choose smaller ones`, exitCode: 2, stack };
  }
  return { code: 'E_UNEXPECTED', message: `${message || 'unexpected error'} (a fault of recallbench; run again with DEBUG=1 for a stack to report)`, exitCode: 1, stack };
}

/** A complaint of commander's in our words. */
function usage(error: CommanderError, args: readonly string[], names: readonly string[]): Failure {
  switch (error.code) {
    case 'commander.help':
    case 'commander.helpDisplayed':
    case 'commander.version':
      return { code: undefined, message: '', exitCode: error.exitCode === 0 ? 0 : 2 };
    case 'commander.unknownCommand':
      return { code: 'E_NAME', message: unknownName('command', args.find((a) => !a.startsWith('-')) ?? '', names), exitCode: 2 };
    default: {
      const [what, hint] = error.message.replace(/^error: /, '').split('\n');
      const command = names.find((n) => n === args.find((a) => !a.startsWith('-')));
      const help = `See recallbench ${command === undefined ? '' : `${command} `}--help.`;
      return { code: 'E_CONFIG', message: `${what.replace(/\.$/, '')}. ${hint === undefined ? '' : `${hint.replace(/^\(|\)$/g, '')} `}${help}`, exitCode: 2 };
    }
  }
}

/** Says it on stderr, and for machines on stdout too. Returns the exit code. */
export function showFailure({ code, message, exitCode, stack }: Failure, json: boolean): number {
  if (code === undefined) return exitCode;
  process.stderr.write(`${code}: ${message}\n`);
  if (process.env['DEBUG'] && stack !== undefined) process.stderr.write(`${stack}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  return exitCode;
}
