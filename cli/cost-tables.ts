/** What `throughput` prints: what is planned, what things cost, and how times grow. */
import { exponentOf, linesAlong, placeOf, ratesOf, roofsOf, type Cost, type CostMeasure } from '#results/costs.ts';
import { costTraits, namesOf } from '#results/names.ts';
import type { Appearance } from '#results/record.ts';
import { table } from './output.ts';
import { bytes, count, percent, significant } from './quantities.ts';

/** "SSD, chunked seqLen=4096": the label and whichever options are not the same for all of that label. */
export function costNames(all: readonly { readonly measure: CostMeasure; readonly appearance: Appearance }[]): string[] {
  return namesOf(all.map(({ measure, appearance }) => costTraits(measure, appearance)));
}

/** Milliseconds, with as many digits as tell. */
const milliseconds = (ms: number | null) => (ms === null ? '—' : ms < 0.1 ? `${significant(1000 * ms)} µs` : `${significant(ms, 4)} ms`);

/** One row a cost. */
export function costTable(costs: readonly Cost[], names: readonly string[]): string {
  const roofs = roofsOf(costs);
  const rows = costs.map((cost, i) => {
    if (cost.state !== 'done') return [names[i], cost.state, '', '', '', '', '', '', ''];
    const rates = ratesOf(cost, roofs.get(placeOf(cost)));
    const share = rates.roofShare === null ? '—' : `${percent(rates.roofShare)} of ${rates.boundBy}`;
    return [names[i], milliseconds(cost.ms), cost.repetitions > 1 ? `${milliseconds(cost.low)} – ${milliseconds(cost.high)}` : '—', count(rates.tokensPerSecond), count(rates.flopsPerSecond), count(rates.bytesPerSecond), share, bytes(cost.stateBytes), bytes(cost.peakBytes)];
  });
  return table(['what', 'time', 'spread', 'tokens/s', 'FLOP/s', 'bytes/s', 'of the roof', 'state', 'memory'], rows);
}

/** One row a line: how its time grows with the length and with the state size. */
export function exponentTable(costs: readonly Cost[]): string | undefined {
  const rows = ['seqLen', 'context', 'dState'].flatMap((along) => {
    const lines = linesAlong(along, costs).filter((line) => exponentOf(line) !== undefined);
    const names = costNames(lines.map((line) => ({ ...line.costs[0], measure: { ...line.costs[0].measure, options: { ...line.costs[0].measure.options, [along]: '*' } } })));
    return lines.map((line, i) => {
      const ends = [line.costs[0], line.costs.at(-1)!].map((c) => c.measure.options[along] as number);
      return [names[i].replace(/ \S+=\*$/, ''), along, `${ends[0]} … ${ends[1]}`, exponentOf(line)!.toFixed(2)];
    });
  });
  return rows.length === 0 ? undefined : table(['what', 'time against', 'measured', 'exponent'], rows);
}

/** Costs of which nothing was done. */
export function failedCosts(costs: readonly Cost[], names: readonly string[]): string | undefined {
  const rows = costs.flatMap((cost, i) => (cost.state === 'done' ? [] : [[names[i], cost.state, cost.reason === undefined ? '' : cost.reason.length > 100 ? `${cost.reason.slice(0, 99)}…` : cost.reason]]));
  return rows.length === 0 ? undefined : table(['what', 'outcome', 'reason'], rows);
}
