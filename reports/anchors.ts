/**
 * Published numbers, to be drawn beside measured ones and never mixed with them: grey, named as published, with device and source. Some are times, some are ratios to
 * another curve; ratios are drawn on the curve measured here.
 */
import type { Cost, DoneCost } from '#results/costs.ts';
import { option } from './cost-figure.ts';
import type { FigureKind, Mark, Series } from './figure.ts';

interface Anchor {
  /** a figure and, of its panels, "Forward" or "batch" */
  readonly figure: string;
  readonly panel: string;
  /** in the legend */
  readonly name: string;
  /** what it is, with shapes and precision */
  readonly what: string;
  readonly device: string;
  readonly source: string;
  /** its marks beside what is drawn: none where what they refer to was not measured */
  readonly marks: (costs: readonly Cost[]) => readonly Omit<Mark, 'facts'>[];
}

const times = (...points: readonly (readonly [x: number, ms: number])[]) => (): Omit<Mark, 'facts'>[] => points.map(([x, y]) => ({ x, y }));

/** The one measured time of a label where an option has a value; undefined where there is none, or several. */
function measured(costs: readonly Cost[], label: string, at: Readonly<Record<string, number>>): number | undefined {
  const found = costs.filter((c): c is DoneCost => c.state === 'done' && c.appearance.label === label && Object.entries(at).every(([name, value]) => option(c, name) === value));
  return found.length === 1 ? found[0].ms : undefined;
}

/** Marks at factors of a measured time. */
const ratios = (label: string, along: string, points: readonly { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number }[]) => (costs: readonly Cost[]): Omit<Mark, 'facts'>[] =>
  points.flatMap(({ x, ...factors }) => {
    const ms = measured(costs, label, { [along]: x });
    return ms === undefined ? [] : [{ x, ...(Object.fromEntries(Object.entries(factors).map(([end, factor]) => [end, ms * factor])) as { y: number }) }];
  });

const fused = 'Accelerating Mamba2 with kernel fusion, PyTorch blog, 2026';
const mamba2 = 'Mamba-2 paper, arXiv 2405.21060, figure 10';

export const anchors: readonly Anchor[] = [
  { figure: 'time-vs-length', panel: 'Forward', name: 'SSD of the Mamba-2 paper', what: 'SSD against FlashAttention-2, level at 2,048, a sixth of its time at 16,384', device: 'A100', source: mamba2, marks: ratios('Causal attention', 'seqLen', [{ x: 2048, y: 1 }, { x: 16384, y: 1 / 6 }]) },
  { figure: 'time-vs-length', panel: 'Forward', name: 'five Triton kernels', what: 'SSD in five Triton kernels, 128 heads, P=64, N=128, bf16', device: 'H100', source: fused, marks: times([4096, 0.34], [65536, 5.92]) },
  { figure: 'time-vs-length', panel: 'Forward', name: 'one Triton kernel', what: 'SSD in one fused Triton kernel, 128 heads, P=64, N=128, bf16', device: 'H100', source: fused, marks: times([4096, 0.196], [65536, 2.8]) },
  { figure: 'time-vs-state', panel: 'Forward', name: 'SSD of the Mamba-2 paper', what: 'SSD against the selective scan at N=64, 2 to 8 times less', device: 'A100', source: mamba2, marks: ratios('Selective scan', 'dState', [{ x: 64, y: 1 / 4, low: 1 / 8, high: 1 / 2 }]) },
  { figure: 'decode-latency', panel: 'batch', name: 'Mamba-2 mixer', what: 'step of the Mamba-2 mixer alone, N=128, bf16', device: 'H100', source: 'Mamba-3 paper, arXiv 2603.15569', marks: times([128, 0.203]) },
  { figure: 'decode-latency', panel: 'batch', name: 'Mamba-3 mixer', what: 'step of the Mamba-3 mixer alone, N=128, bf16', device: 'H100', source: 'Mamba-3 paper, arXiv 2603.15569', marks: times([128, 0.156]) },
];

const looks = [['star', [2, 3]], ['crossRot', [7, 4]], ['cross', [9, 3, 2, 3]]] as const;

/** Series and sentences of what was published for a panel. */
export function anchorsFor(figure: FigureKind['name'], panel: string, costs: readonly Cost[]): { readonly series: Series[]; readonly words: string[] } {
  const found = anchors.filter((a) => a.figure === figure && (panel === a.panel || panel.startsWith(`${a.panel},`))).flatMap((anchor) => {
    const marks = anchor.marks(costs);
    return marks.length === 0 ? [] : [{ ...anchor, marks }];
  });
  const series = found.map(({ name, what, device, source, marks }, i): Series => {
    const [marker, dash] = looks[i % looks.length];
    return { name: `Published: ${name} (${device})`, look: { color: '#777777', marker, filled: false, dash: [...dash] }, marks: marks.map((mark) => ({ ...mark, facts: { published: what, device, source } })), failed: [] };
  });
  const words = found.map(({ name, what, device, source }) => `Published, not measured here: ${name} is ${what} (${device}; ${source}).`);
  const relative = found.some(({ what }) => /times|against/.test(what));
  return { series, words: relative ? [...words, 'Published ratios are drawn on the curve measured here.'] : words };
}
