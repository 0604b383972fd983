/** What is said of the mark that is pointed at: one box for all figures. */
import type { Axis, Panel } from '../../figure.ts';
import { formatBytes, formatCount, formatNumber } from '../../ticks.ts';
import { colorOn } from '../../theme.ts';
import { theme } from './colors.ts';
import { el } from './dom.ts';
import type { PlacedMark } from './marks.ts';

const box = el('div', { class: 'tip', role: 'status', hidden: true });
document.body.append(box);
addEventListener('scroll', hideTip, { passive: true });

export function hideTip(): void {
  box.hidden = true;
}

/** Shows it beside a place in the window. `act` is what a reader does to follow the mark. */
export function showTip({ series, color, at, why, facts, runs }: PlacedMark, panel: Panel, place: { x: number; y: number }, act: string): void {
  const range = at.low !== undefined && at.high !== undefined && at.low !== at.high ? ` (${exact(at.low, panel.y)} – ${exact(at.high, panel.y)})` : '';
  const drawn = new Set([at.x, at.y]);
  const said = Object.entries(facts).filter(([key, value]) => !drawn.has(value as number) && !['model', 'kernels', 'accuracies'].includes(key));
  const rows: [string, string][] = [
    [panel.y.label, why ?? `${exact(at.y!, panel.y)}${range}`],
    [panel.x.label, exact(at.x, panel.x)],
    ...said.map(([key, value]): [string, string] => [key, factInWords(key, value)]),
  ];
  box.replaceChildren(
    el('p', { class: 'tip-name' }, el('i', { class: 'dot', style: `background:${colorOn(theme(), color)}` }), series),
    el('dl', {}, ...rows.flatMap(([name, words]) => [el('dt', {}, name), el('dd', {}, words)])),
    ...(runs.length === 0 ? [] : [el('p', { class: 'tip-act' }, `${act} for ${runs.length === 1 ? 'the run' : `the ${runs.length} runs`} behind it`)]),
  );
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = place.x + 16 + width < document.documentElement.clientWidth ? place.x + 16 : Math.max(4, place.x - 16 - width);
  box.style.transform = `translate(${left}px, ${Math.max(4, Math.min(place.y - 12, innerHeight - height - 4))}px)`;
}

/** A value with one digit more than the axis shows. */
export function exact(value: number, { unit, names }: Pick<Axis, 'unit' | 'names'>): string {
  if (names !== undefined) return names[value] ?? '';
  if (unit === 'bytes') return formatBytes(value);
  return Number.isInteger(value) ? formatNumber(value) : Math.abs(value) >= 1e4 ? formatCount(value) : Math.abs(value) < 1e-4 ? formatNumber(value) : String(Number(value.toPrecision(4)));
}

export function factInWords(key: string, value: string | number): string {
  if (typeof value === 'string') return value;
  if (/bytes$/i.test(key)) return formatBytes(value);
  return Number.isInteger(value) ? (value >= 1e7 ? formatCount(value) : formatNumber(value)) : exact(value, { unit: 'number' });
}
