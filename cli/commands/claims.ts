/** `claims`: published claims, decided from stores. */
import type { Command } from 'commander';
import type { Decision } from '#reports/claims/decide.ts';
import { print, printJson, remark, table, writeText } from '../output.ts';
import { list } from '../values.ts';

interface Flags {
  from?: string[];
  markdown?: string;
  json?: true;
}

/** Lines of whole words, `width` characters at the most where words allow it. */
function wrapped(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join('\n');
}

/** Widths of the columns: evidence takes what a terminal leaves. */
function widths(): readonly [claim: number, where: number, measured: number, evidence: number] {
  const [claim, where, measured] = [28, 16, 20];
  return [claim, where, measured, Math.max(40, Math.min(90, (process.stdout.columns ?? 150) - claim - where - measured - 32))];
}

async function claims({ from, markdown, json }: Flags): Promise<void> {
  const [{ readGiven }, { decideClaims }, { measuredText, placeName, verdictNames }, { byClaim, claimsMarkdown }, { counts }] = await Promise.all([
    import('../stores.ts'),
    import('#reports/claims/index.ts'),
    import('#reports/claims/claim.ts'),
    import('#reports/claims/markdown.ts'),
    import('#reports/claims/decide.ts'),
  ]);
  const { records, measurements, problems } = readGiven(from);
  const decisions = decideClaims({ records, measurements });
  if (markdown !== undefined) writeText(markdown, claimsMarkdown(decisions));
  if (json) {
    const told = byClaim(decisions).map(([{ name, statement, source, criterion, needs }, own]) => ({ name, statement, source, criterion, needs, verdicts: own.map(({ place, verdict }) => ({ ...(place === undefined ? {} : { place }), ...verdict })) }));
    return printJson({ claims: told, ...(markdown === undefined ? {} : { written: markdown }), records: records.length, measurements: measurements.length, problems });
  }
  const [claim, where, measured, evidence] = widths();
  const row = ({ claim: { statement }, place, verdict }: Decision) => [
    wrapped(statement, claim),
    place === undefined ? '' : wrapped(placeName(place), where),
    wrapped(verdictNames[verdict.state], 10),
    verdict.measured === undefined ? '' : wrapped(measuredText(verdict.measured), measured),
    wrapped(verdict.evidence, evidence),
  ];
  print(table(['claim', 'where', 'verdict', 'measured', 'evidence'], decisions.map(row)));
  print(`${counts(decisions)}.`);
  const open = byClaim(decisions).filter(([, own]) => own.every(({ verdict }) => verdict.state === 'not-enough-data'));
  if (open.length > 0) print(`What is lacking can be measured:\n${[...new Set(open.map(([{ needs }]) => `  $ ${needs}`))].join('\n')}`);
  if (markdown !== undefined) remark(`Written: ${markdown}`);
}

export function configure(command: Command): void {
  command
    .option('--from <store,…>', 'stores, or folders of them; may be given again (default: runs)', list)
    .option('--markdown <file>', 'also write the claims with their sources, rules and evidence as Markdown')
    .action(claims)
    .addHelpText(
      'after',
      `
Every claim is decided for each device, engine and precision by itself, by a rule that the Markdown states, from test accuracy
at the learning rate chosen on validation, or from medians of times. A refuted claim is a result, not a failure: the exit code is 0.

Examples:
  $ recallbench claims
  $ recallbench claims --from results/published --markdown claims.md
  $ recallbench claims --from runs/quick.jsonl --json | jq '.claims[] | {name, verdicts}'`,
    );
}
