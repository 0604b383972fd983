/** The stores that a command is given to read. */
import { existsSync } from 'node:fs';
import { RecallbenchError } from '#core/errors.ts';
import { describeProblem, readStores, type Contents } from '#results/store.ts';
import { remark } from './output.ts';

/** The stores of `--from`, or the folder "runs" when nothing was given. Throws E_STORE where there is none. */
export function givenStores(given: readonly string[] | undefined): readonly string[] {
  if (given === undefined && !existsSync('runs')) {
    throw new RecallbenchError('E_STORE', 'there is no folder "runs" here. Make one with "recallbench sweep quick", or name stores with --from.');
  }
  return given ?? ['runs'];
}

/** What the stores of `--from` hold; problems in them are remarked upon. Throws E_STORE where there is nothing to read. */
export function readGiven(given: readonly string[] | undefined): Contents {
  const from = givenStores(given);
  const contents = readStores(from);
  for (const problem of contents.problems) remark(`Warning: ${describeProblem(problem)}`);
  if (contents.records.length + contents.measurements.length === 0) throw new RecallbenchError('E_STORE', `there is no record in ${from.join(', ')}. Make some with: recallbench sweep quick --out ${from[0]}.`);
  return contents;
}
