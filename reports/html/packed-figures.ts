/** Figures in little room: what many marks say alike stands once. */
import type { Facts, Figure } from '../figure.ts';

type PackedMark = readonly [x: number, y: number, facts: number, runs: number, low?: number | null, high?: number | null, label?: string | null, drawn?: number];
/** how a mark is drawn, in bits */
const [ASIDE, RINGED] = [1, 2];
type PackedFailure = readonly [x: number, why: string, facts: number, runs: number, above?: 1];

interface PackedSeries {
  readonly marks: readonly PackedMark[];
  readonly failed: readonly PackedFailure[];
}

export interface PackedFigures {
  readonly facts: readonly Facts[];
  /** lists of ids; a list of none stands at 0 */
  readonly runs: readonly (readonly string[])[];
  /** figures whose series have neither marks nor failed marks */
  readonly figures: readonly Figure[];
  /** these, by figure, panel and series */
  readonly marks: readonly (readonly (readonly PackedSeries[])[])[];
}

export function packFigures(figures: readonly Figure[]): PackedFigures {
  const facts = new Distinct<Facts>();
  const runs = new Distinct<readonly string[]>();
  runs.place([]);
  const marks = figures.map((figure) =>
    figure.panels.map((panel) =>
      panel.series.map((series): PackedSeries => ({
        marks: series.marks.map(({ x, y, low, high, label, aside, ringed, facts: said, runs: behind = [] }) => {
          const whole = [x, y, facts.place(said), runs.place(behind), low ?? null, high ?? null, label ?? null, (aside ? ASIDE : 0) + (ringed ? RINGED : 0) || null];
          while (whole.length > 4 && whole.at(-1) === null) whole.pop();
          return whole as unknown as PackedMark;
        }),
        failed: series.failed.map(({ x, why, above, facts: said, runs: behind = [] }): PackedFailure => (above ? [x, why, facts.place(said), runs.place(behind), 1] : [x, why, facts.place(said), runs.place(behind)])),
      })),
    ),
  );
  const bare = figures.map((figure) => ({ ...figure, panels: figure.panels.map((panel) => ({ ...panel, series: panel.series.map((series) => ({ ...series, marks: [], failed: [] })) })) }));
  return { facts: facts.list, runs: runs.list, figures: bare, marks };
}

export function unpackFigures({ facts, runs, figures, marks }: PackedFigures): Figure[] {
  return figures.map((figure, f) => ({
    ...figure,
    panels: figure.panels.map((panel, p) => ({
      ...panel,
      series: panel.series.map((series, s) => ({
        ...series,
        marks: marks[f][p][s].marks.map(([x, y, said, behind, low, high, label, drawn]) => ({
          x,
          y,
          ...(low === undefined || low === null ? {} : { low }),
          ...(high === undefined || high === null ? {} : { high }),
          ...(label === undefined || label === null ? {} : { label }),
          ...((drawn ?? 0) & ASIDE ? { aside: true } : {}),
          ...((drawn ?? 0) & RINGED ? { ringed: true } : {}),
          facts: facts[said],
          ...(behind === 0 ? {} : { runs: runs[behind] }),
        })),
        failed: marks[f][p][s].failed.map(([x, why, said, behind, above]) => ({ x, why, ...(above === 1 ? { above: true } : {}), facts: facts[said], ...(behind === 0 ? {} : { runs: runs[behind] }) })),
      })),
    })),
  }));
}

/** Values by their place; equal ones have one. */
class Distinct<T> {
  readonly list: T[] = [];
  readonly #places = new Map<string, number>();
  /** neighbours often hold the very same object */
  #last: { value: T; place: number } | undefined;

  place(value: T): number {
    if (this.#last?.value === value) return this.#last.place;
    const key = JSON.stringify(value);
    let place = this.#places.get(key);
    if (place === undefined) this.#places.set(key, (place = this.list.push(value) - 1));
    this.#last = { value, place };
    return place;
  }
}
