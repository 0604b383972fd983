/** The claims as Markdown: a table of verdicts, and of every claim its source, the rule that decided it, the numbers, and the command behind them. */
import { groupBy } from '#core/groups.ts';
import { measuredText, placeName, verdictNames, type Claim } from './claim.ts';
import { counts, type Decision } from './decide.ts';

/** Text in which nothing is markup, on one line. */
const plain = (text: string): string => text.replace(/[\\`*_{}[\]<>|#~]/g, '\\$&').replace(/\s+/g, ' ');

export function claimsMarkdown(decisions: readonly Decision[]): string {
  const rows = decisions.map(({ claim, place, verdict }) => [claim.statement, place === undefined ? '' : placeName(place), `**${verdictNames[verdict.state]}**`, verdict.measured === undefined ? '' : measuredText(verdict.measured)]);
  const table = [['claim', 'where', 'verdict', 'measured'], ['---', '---', '---', '---'], ...rows.map((row) => row.map((text, i) => (i === 2 ? text : plain(text))))];
  return [
    '# Published claims, and what was measured',
    `${counts(decisions)}. Each claim is decided for every device, engine and precision by itself.`,
    table.map((row) => `| ${row.join(' | ')} |`).join('\n'),
    ...byClaim(decisions).map(([claim, own]) => section(claim, own)),
  ].join('\n\n') + '\n';
}

function section(claim: Claim, decisions: readonly Decision[]): string {
  return [
    `## ${plain(claim.statement)}`,
    `Source: ${plain(claim.source)}.`,
    `Rule: ${plain(claim.criterion)}`,
    decisions.map(({ place, verdict }) => `- **${verdictNames[verdict.state]}**${place === undefined ? '' : ` on ${plain(placeName(place))}`}: ${plain(verdict.evidence)}`).join('\n'),
    `Measured by: \`${claim.needs}\``,
  ].join('\n\n');
}

/** Decisions by claim, in the order given. */
export function byClaim(decisions: readonly Decision[]): [Claim, Decision[]][] {
  return [...groupBy(decisions, ({ claim }) => claim)];
}
