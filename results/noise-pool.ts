/**
 * A pool of real repetitions of the same code, and reports simulated from it: how often a comparison cries wolf, and what it finds. For
 * tests and for `bench/compare.js`.
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import type { Held } from './compare.ts';
import { fasterHalf } from './judge-times.ts';
import { measureId, measureSchema, type Measurement } from './measurement.ts';
import { appearanceSchema, deviceSchema, SCHEMA_VERSION } from './record.ts';

const poolSchema = z.strictObject({
  /** how it was made */
  about: z.string(),
  device: deviceSchema,
  /** what was measured, in the order of measuring */
  cells: z.array(z.strictObject({ measure: measureSchema.omit({ repetition: true }), appearance: appearanceSchema })),
  /**
   * Commands of some repetitions each: [command][repetition][cell] is the time of a call and of the reference loop beside it in
   * milliseconds, each the geometric mean of the faster half of its samples, which is what a comparison takes of a repetition.
   */
  commands: z.array(z.array(z.array(z.tuple([z.number().positive(), z.number().positive()])))),
});
export type NoisePool = z.output<typeof poolSchema>;

export function parsePool(text: string): NoisePool {
  return poolSchema.parse(JSON.parse(text));
}

/** A pool of the measurements of some commands; cells that not every repetition has are left out. */
export function poolOf(commands: readonly (readonly Measurement[])[], about: string): NoisePool {
  const byCommand = commands.map((all) => ({ byId: new Map(all.map((m) => [m.id, m])), repetitions: 1 + Math.max(...all.map((m) => m.measure.repetition)) }));
  const [first] = commands;
  const everywhere = ({ measure }: Measurement) => byCommand.every(({ byId, repetitions }) => Array.from({ length: repetitions }, (_, repetition) => measureId({ ...measure, repetition })).every((id) => byId.has(id)));
  const cells = first.filter((m) => m.measure.repetition === 0 && everywhere(m));
  const four = (logarithm: number) => Number(Math.exp(logarithm).toPrecision(4));
  return {
    about,
    device: first[0].device,
    cells: cells.map((m) => {
      const { repetition: _, ...measure } = m.measure;
      return { measure, appearance: m.appearance };
    }),
    commands: byCommand.map(({ byId, repetitions }) =>
      Array.from({ length: repetitions }, (_, repetition) =>
        cells.map(({ measure }): [number, number] => {
          const m = byId.get(measureId({ ...measure, repetition }))!;
          return [four(fasterHalf(m.samples)), four(fasterHalf(m.reference!))];
        }),
      ),
    ),
  };
}

/** Draws reports from a pool. */
export class Simulation {
  readonly #pool: NoisePool;
  readonly #templates: Measurement[][];
  readonly #perSide: number;

  /** `samples` of each side; each command gives all its repetitions. */
  constructor(pool: NoisePool, samples = 10) {
    const each = pool.commands[0].length;
    this.#pool = pool;
    this.#perSide = Math.ceil(samples / each);
    if (2 * this.#perSide > pool.commands.length) throw new RangeError(`a report of ${samples} samples takes ${2 * this.#perSide} commands of ${each} repetitions, and the pool has ${pool.commands.length}`);
    const time = '2026-01-01T00:00:00.000Z';
    this.#templates = Array.from({ length: samples }, (_, repetition) =>
      pool.cells.map(({ measure, appearance }): Measurement => {
        const full = { ...measure, repetition };
        return { schema: SCHEMA_VERSION, id: measureId(full), measure: full, outcome: { state: 'done' }, appearance, samples: [], clock: 'host', firstMs: null, latencyMs: null, kernels: [], work: null, tokens: 0, stateBytes: null, peakBytes: 0, notes: [], device: pool.device, code: { version: 'simulated' }, startedAt: time, finishedAt: time };
      }),
    );
  }

  /** Numbers of the cells that are no roofs. */
  get cells(): number[] {
    return this.#pool.cells.flatMap(({ measure }, i) => (['gemm', 'copy', 'launch'].includes(measure.workload) ? [] : [i]));
  }

  idOf(cell: number): string {
    return this.#templates[0][cell].id;
  }

  /**
   * Baseline and candidate of the same code: the repetitions of different commands, drawn at random. One cell of the candidate may be made
   * slower by a factor.
   */
  report(stream: Stream, slow?: { readonly cell: number; readonly factor: number }): { baseline: Held; candidate: Held } {
    const left = this.#pool.commands.map((_, i) => i);
    const draw = () => left.splice(stream.below(left.length), 1)[0];
    const side = (factor: (cell: number) => number): Held => {
      const repetitions = Array.from({ length: this.#perSide }, draw).flatMap((s) => this.#pool.commands[s]);
      return { records: [], measurements: this.#templates.flatMap((templates, r) => templates.map((m, cell) => ({ ...m, samples: [repetitions[r][cell][0] * factor(cell)], reference: [repetitions[r][cell][1]] }))) };
    };
    return { baseline: side(() => 1), candidate: side((cell) => (cell === slow?.cell ? slow.factor : 1)) };
  }
}
