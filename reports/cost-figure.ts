/** What the figures of costs share: which costs they show, how lines are named, and the words under them. */
import { RecallbenchError } from '#core/errors.ts';
import { canonicalJson } from '#core/content-id.ts';
import { groupBy as groupsBy } from '#core/groups.ts';
import { namesIn } from '#core/names.ts';
import { greatest, least } from '#core/statistics.ts';
import { costsOf, exponent, placeOf, ratesOf, roofsOf, type Cost, type DoneCost } from '#results/costs.ts';
import { flatOptions } from '#results/point.ts';
import { compareAppearance } from '#results/query.ts';
import type { Appearance } from '#results/record.ts';
import { list } from './caption.ts';
import type { Axis, Facts, Figure, FigureOptions, Look, Mark, Panel, Series, Stored } from './figure.ts';
import { looksOf, type Family } from './look.ts';
import { nameSeries, withOptions, type Traits } from './naming.ts';
import { formatNumber } from './ticks.ts';

/** Milliseconds on a logarithmic axis. */
export const timeAxis = (label: string): Axis => ({ label, scale: 'log10', unit: 'number' });
export const lengthAxis: Axis = { label: 'Sequence length', scale: 'log2', unit: 'number' };

/** A bare grey line: what bounds the others. */
export const bound: Look = { color: '#777777', marker: 'none', filled: false, dash: [2, 3] };

/** All costs that the options leave, those of roofs among them, in the same order whatever the order of the store. */
export function selectCosts({ measurements }: Stored, { sweep, models }: FigureOptions): Cost[] {
  // what compares values was not run for its time
  const asked = measurements.filter((m) => m.differences === undefined && (sweep === undefined || m.sweep === sweep));
  const nameOf = (cost: Cost) => (cost.measure.options['model'] as string | undefined) ?? cost.measure.workload;
  const costs = costsOf(asked);
  const named = models && namesIn(models.join(','), [...new Set(costs.map(nameOf))]);
  return costs.filter((cost) => named === undefined || isRoof(cost) || named.includes(nameOf(cost))).sort((a, b) => compareAppearance(a.appearance, b.appearance) || a.key.localeCompare(b.key, 'en', { numeric: true }));
}

export const isRoof = ({ measure: { workload } }: Cost): boolean => ['gemm', 'copy', 'launch'].includes(workload);

/** The value of a numeric option. */
export const option = (cost: Cost, name: string): number => cost.measure.options[name] as number;

/** Costs by a text, in the order of their first. */
export const groupBy = <T>(items: readonly T[], textOf: (item: T) => string): [text: string, items: T[]][] => [...groupsBy(items, textOf)];

/** "Forward", "Forward and backward" */
export const directionOf = ({ measure: { options } }: Cost): string => (options['direction'] === 'forward-backward' ? 'Forward and backward' : 'Forward');

/** A panel, and where in it its costs stand. */
export interface CostPanel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly costs: readonly Cost[];
  /** the option along the x axis, which is in no name */
  readonly along?: string;
  /** lines have their slopes written at their ends */
  readonly slopes?: boolean;
  /** without such an option */
  readonly xOf?: (cost: Cost) => number;
  /** undefined where there is nothing to draw */
  readonly yOf: (cost: DoneCost) => Pick<Mark, 'y' | 'low' | 'high'> | undefined;
  readonly scattered?: boolean;
  /** drawn beside the costs, and behind them in the legend */
  readonly beside?: readonly Series[];
}

/** Time of a call, with the range of the repetitions. */
export const timeOf = ({ ms, low, high, repetitions }: DoneCost): Pick<Mark, 'y' | 'low' | 'high'> => ({ y: ms, ...(repetitions > 1 ? { low, high } : {}) });

const xOf = (panel: CostPanel, cost: Cost): number => (panel.along === undefined ? panel.xOf!(cost) : option(cost, panel.along));

interface Shown {
  readonly cost: Cost;
  readonly appearance: Appearance;
  readonly panel: number;
}

export interface CostFigure {
  readonly name: string;
  readonly title: string;
  readonly panels: readonly CostPanel[];
  /** all costs of the selection: their roofs say what is reached of them */
  readonly all: readonly Cost[];
  readonly caption: readonly string[];
  readonly columns?: number;
  /** the command that measures what is missing */
  readonly command: string;
}

/** A figure of costs. Throws E_STORE, with the command that measures them, when there are none. */
export function costFigure({ name, title, panels, all, caption, columns, command }: CostFigure): Figure {
  const given = panels.flatMap(({ costs }, panel) => costs.map((cost): Shown => ({ cost, appearance: cost.appearance, panel })));
  const { shown, absent } = withoutAbsent(given);
  if (!shown.some(({ cost }) => cost.state === 'done')) {
    const why = shown.length === 0 ? 'there are no measurements to draw' : `none of ${shown.length} measurements was done (${[...new Set(shown.map(({ cost }) => cost.state))].sort().join(', ')})`;
    throw new RecallbenchError('E_STORE', `${name}: ${why}. Take some with: ${command}`);
  }
  const places = placesOf(all);
  const place = ({ cost, panel }: Shown) => canonicalJson([panel, panels[panel].scattered === true ? cost.key : xOf(panels[panel], cost)]);
  const naming = nameSeries(shown, ({ cost, panel }) => traitsOf(cost, places, panels[panel].along), place, panels.some((p) => p.scattered) ? [] : ['dState']);
  const whole = new Set(shown.flatMap(({ cost, appearance: { label } }) => ('model' in cost.measure.options ? [label] : [])));
  const families = withPeers(naming.families).map((family) => ({ ...family, kind: whole.has(family.appearance.label) ? 'model' : 'op' }));
  const looks = looksOf(families);
  const names = families.flatMap((family) => family.variants);
  const roofs = roofsOf(all);
  const drawn = panels.map((panel, i): Panel => {
    const own = groupsBy(shown.filter((s) => s.panel === i), naming.nameOf);
    const series = names.map((of): Series => {
      const costs = (own.get(of) ?? []).map(({ cost }) => cost).toSorted((a, b) => xOf(panel, a) - xOf(panel, b));
      const marks = costs.flatMap((cost): Mark[] => {
        const at = cost.state === 'done' ? panel.yOf(cost) : undefined;
        return at === undefined ? [] : [{ x: xOf(panel, cost), ...at, facts: factsOf(cost, roofs) }];
      });
      const slope = panel.slopes ? exponent(marks) : undefined;
      if (slope !== undefined) {
        // + 0: no -0.00
        marks[marks.length - 1].label = (Math.round(100 * slope) / 100 + 0).toFixed(2);
        for (const mark of marks) mark.facts['slope'] = Number(slope.toFixed(3));
      }
      const failed = costs.flatMap((cost) => (cost.state === 'done' ? [] : [{ x: xOf(panel, cost), why: cost.state, facts: factsOf(cost, roofs) }]));
      return { name: of, look: looks.get(of)!, marks, failed, ...(panel.scattered ? { scattered: true } : {}) };
    });
    return { title: panel.title, x: panel.x, y: panel.y, series: [...series, ...(panel.beside ?? [])] };
  });
  const costs = [...new Set(shown.map(({ cost }) => cost))];
  return {
    name,
    title,
    panels: drawn,
    ...(columns === undefined ? {} : { columns }),
    caption: [...caption, ...shapeSentences(costs), ...wordsOf(costs)],
    notes: [...failureNotes(shown, panels, naming.nameOf), ...absent],
  };
}

/** What could not run at any place is no line with a mark of failure everywhere, but a sentence. */
function withoutAbsent(given: readonly Shown[]): { shown: Shown[]; absent: string[] } {
  const lines = groupBy(given, ({ appearance }) => appearance.label).map(([label, of]) => ({ label, of, absent: of.every(({ cost }) => cost.state === 'unsupported') }));
  const absent = lines.flatMap(({ label, of, absent: is }) => {
    const [{ cost }] = of;
    return is ? [`Not to be had: ${label}${cost.state !== 'done' && cost.reason !== undefined ? ` (${cost.reason})` : ''}.`] : [];
  });
  return { shown: given.filter(({ appearance }) => !lines.some(({ label, absent: is }) => is && label === appearance.label)), absent };
}

/** A peer's form of an op, "SSD, chunked — PyTorch, einsum", belongs to the op's own family and looks like a variant of it. */
function withPeers(families: readonly Family[]): Family[] {
  const opOf = ({ appearance: { label } }: Family) => families.find((op) => label.startsWith(`${op.appearance.label} — `));
  return families.flatMap((family): Family[] => {
    if (opOf(family) !== undefined) return [];
    const peers = families.filter((other) => opOf(other) === family).flatMap((peer) => peer.variants);
    return [{ ...family, variants: [...peers, ...family.variants] }];
  });
}

/** "wasm, 2 threads": where a cost was measured, for those who compare several places. */
function placesOf(all: readonly Cost[]): (cost: Cost) => string {
  const words = ({ measure: { engine, threads, precision } }: Cost) => [engine, ...(threads === undefined ? [] : [`${threads} threads`]), ...(precision === 'fp32' ? [] : [precision])].join(', ');
  const adapters = new Map(groupBy(all, words).map(([text, costs]) => [text, new Set(costs.map((c) => c.device.adapter)).size]));
  return (cost) => (adapters.get(words(cost)) === 1 ? words(cost) : `${words(cost)}, ${cost.device.adapter}`);
}

/** What may tell two costs of a label apart in a panel along an option. */
function traitsOf(cost: Cost, place: (cost: Cost) => string, along?: string): Traits {
  const { model: _, modelOptions = {}, ...shapes } = cost.measure.options;
  return { ...Object.fromEntries(Object.entries({ ...shapes, ...flatOptions(modelOptions as object) }).filter(([name]) => name !== along)), on: place(cost) };
}

/** The numbers behind a mark, for the CSV. */
function factsOf(cost: Cost, roofs: ReturnType<typeof roofsOf>): Facts {
  const { measure: { workload, options: { modelOptions = {}, ...options }, engine, threads, precision }, device, clock } = cost;
  const scalar = Object.entries({ ...options, ...flatOptions(modelOptions as object) }).filter((entry): entry is [string, string | number] => typeof entry[1] === 'string' || typeof entry[1] === 'number');
  const where = { engine, adapter: device.adapter, ...(threads === undefined ? {} : { threads }), precision };
  const sizes = { ...(cost.stateBytes === null ? {} : { stateBytes: cost.stateBytes }), peakBytes: cost.peakBytes };
  if (cost.state !== 'done') return { workload, ...Object.fromEntries(scalar), ...where, ...sizes };
  const { ms, firstMs, latencyMs, repetitions, samples, kernels } = cost;
  const known: [string, string | number | null][] = Object.entries({ firstMs, latencyMs, ...ratesOf(cost, roofs.get(placeOf(cost))), ...cost.work });
  return {
    workload,
    ...Object.fromEntries(scalar),
    ...where,
    clock,
    ms,
    repetitions,
    samples,
    ...sizes,
    ...Object.fromEntries(known.filter((entry): entry is [string, string | number] => entry[1] !== null)),
    kernels: kernels.map(({ name, launches }) => (launches === 1 ? name : `${name} ×${launches}`)).join(' '),
  };
}

/** The options that all costs of a label share, labels of the same options together. */
function shapeSentences(costs: readonly Cost[]): string[] {
  const shared = (of: readonly Cost[]): Map<string, string> => {
    const all = of.map((cost) => traitsOf(cost, () => ''));
    const keys = Object.keys(all[0]).filter((key) => !['on', 'direction', 'form', 'implementation'].includes(key) && all.every((traits) => canonicalJson(traits[key] ?? null) === canonicalJson(all[0][key])));
    return new Map(keys.map((key) => [key, withOptions('', { [key]: all[0][key] }).trim().slice(1, -1)]));
  };
  const everywhere = shared(costs);
  const own = groupBy(costs, (cost) => cost.appearance.label).map(([label, of]) => [label, [...shared(of)].filter(([key]) => !everywhere.has(key)).map(([, word]) => word).join(', ')] as const);
  const special = groupBy(own.filter(([, words]) => words !== ''), ([, words]) => words).map(([words, of]) => `${list(of.map(([label]) => label))}: ${words}`);
  const shapes = [...(everywhere.size === 0 ? [] : [[...everywhere.values()].join(', ')]), ...special];
  return shapes.length === 0 ? [] : [`Shapes: ${shapes.join('; ')}.`];
}

/** Device, clock, repetitions, code. */
function wordsOf(costs: readonly Cost[]): string[] {
  const done = costs.filter((c): c is DoneCost => c.state === 'done');
  const distinct = (texts: readonly string[]) => [...new Set(texts)].sort();
  const devices = distinct(done.map(({ device: { adapter, versions }, measure: { engine, threads, precision } }) => `${adapter} (${[versions['torch'] === undefined ? engine : `PyTorch ${versions['torch']}`, precision, ...(threads === undefined ? [] : [`${threads} threads`])].join(', ')})`));
  const counts = done.map((c) => c.repetitions);
  const [fewest, most] = [least(counts), greatest(counts)];
  const clocks = distinct(done.map((c) => (c.clock === 'device' ? 'the device\'s own clock' : 'wall time')));
  const repeated = most === 1 ? 'one repetition each, so no bars' : `medians of ${fewest === most ? most : `${fewest}–${most}`} interleaved repetitions; bars span the medians of the repetitions`;
  return [`Measured on ${list(devices)}, by ${clocks.join(' or ')}: ${repeated}.`, `recallbench ${list(distinct(costs.flatMap((c) => c.measurements.map((m) => m.code.version))))}.`];
}

/** "No measurement: Causal attention at 65,536 (out-of-memory)." */
function failureNotes(shown: readonly Shown[], panels: readonly CostPanel[], nameOf: (s: Shown) => string): string[] {
  const failed = shown.flatMap((s) => (s.cost.state === 'done' ? [] : [`${nameOf(s)} at ${formatNumber(xOf(panels[s.panel], s.cost))}${panels.length > 1 && panels[s.panel].title !== '' ? `, ${panels[s.panel].title.toLowerCase()}` : ''} (${s.cost.state})`]));
  return failed.length === 0 ? [] : [`No measurement: ${list(failed)}.`];
}
