/** A figure in the document: the charts of its panels as every other format draws them, with a legend to press and marks to point at. */
import { Chart, LinearScale, LineElement, LogarithmicScale, PointElement, ScatterController } from 'chart.js';
import { chartOf } from '../../chart.ts';
import type { Figure, Panel, Series } from '../../figure.ts';
import { drawLegend, legendOf } from '../../legend.ts';
import { layOut, PANEL_LINE, UNDER_PANEL_TITLE, type PanelPlace } from '../../page.ts';
import { theme } from './colors.ts';
import { el } from './dom.ts';
import { marksOf, nearest, type PlacedMark } from './marks.ts';
import { hideTip, showTip } from './tip.ts';

Chart.register(LinearScale, LogarithmicScale, LineElement, PointElement, ScatterController);

const FAMILY = 'Inter, sans-serif';
/** pixels that layOut leaves at the left edge of a page, and what of the right edge a panel does not use */
const [LEFT, RIGHT] = [16, 2];
const WIDEST = 960;

/** pixels of the lines above a plot */
function titleHeight({ title }: PanelPlace): number {
  return title.length === 0 ? 0 : title.length * PANEL_LINE + UNDER_PANEL_TITLE;
}

const measuring = document.createElement('canvas').getContext('2d')!;

function widthOf(text: string, size: number, weight = 400): number {
  measuring.font = `${weight} ${size}px ${FAMILY}`;
  return measuring.measureText(text).width;
}

export class Drawing {
  readonly #figure: Figure;
  readonly #host: HTMLElement;
  readonly #pick: (ids: readonly string[]) => void;
  readonly #hidden = new Set<string>();
  readonly #legend = el('div', { class: 'legend', role: 'group', 'aria-label': 'Series: press to hide or show' });
  readonly #panels = el('div', { class: 'panels' });
  readonly #ring = el('div', { class: 'ring', hidden: true });
  #charts: Chart[] = [];
  #drawn = '';

  constructor(host: HTMLElement, figure: Figure, pick: (ids: readonly string[]) => void) {
    this.#host = host;
    this.#figure = figure;
    this.#pick = pick;
    host.replaceChildren(this.#legend, this.#panels);
  }

  /** Takes the room that it will need, so that nothing moves when it is drawn. */
  reserve(): void {
    if (this.#drawn !== '' || this.#width() < 40) return;
    this.#drawLegend();
    this.#layOut();
  }

  /** Draws it at the width of its place, unless it is drawn so already. */
  draw(): void {
    if (this.#width() < 40) return;
    const key = [this.#width(), theme().name, devicePixelRatio, ...this.#hidden].join('\n');
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#drawLegend();
    this.#drawPanels();
  }

  #width(): number {
    return Math.floor(Math.min(WIDEST, this.#host.clientWidth));
  }

  /** The places of its panels, and the pixels of the page above the first of them. */
  #layOut(): { places: readonly PanelPlace[]; above: number } {
    const width = this.#width();
    const { places } = layOut(this.#figure, { theme: theme(), family: FAMILY }, widthOf, { width: width + LEFT - RIGHT, bare: true });
    const above = Math.min(...places.map((place) => place.y0 + place.top - Math.max(place.top, titleHeight(place))));
    this.#panels.style.width = `${width}px`;
    this.#panels.style.height = `${Math.max(...places.map((place) => place.y0 + place.height)) - above}px`;
    return { places, above };
  }

  #drawLegend(): void {
    const focused = [...this.#legend.children].indexOf(document.activeElement as Element);
    const entries = legendOf(this.#figure, Infinity, () => 0);
    this.#legend.replaceChildren(
      ...(entries.length < 2 ? [] : entries).map((entry) => {
        const marker = typeof entry.look === 'string';
        const [w, h] = [marker || entry.scattered ? 11 : 36, 20];
        const canvas = el('canvas', { width: Math.round(w * devicePixelRatio), height: Math.round(h * devicePixelRatio), style: `width:${w}px;height:${h}px`, 'aria-hidden': 'true' });
        const ctx = canvas.getContext('2d')!;
        ctx.scale(devicePixelRatio, devicePixelRatio);
        drawLegend(ctx, [{ ...entry, name: '', x: 0, row: 0 }], 0, 0, theme());
        if (marker) return el('span', { class: 'entry' }, canvas, entry.name);
        const press = el('button', { type: 'button', class: 'entry', 'aria-pressed': String(!this.#hidden.has(entry.name)) }, canvas, entry.name);
        press.addEventListener('click', () => {
          if (!this.#hidden.delete(entry.name)) this.#hidden.add(entry.name);
          this.draw();
        });
        return press;
      }),
    );
    (this.#legend.children[focused] as HTMLElement | undefined)?.focus();
  }

  #drawPanels(): void {
    for (const chart of this.#charts) chart.destroy();
    const style = { theme: theme(), family: FAMILY };
    const { places, above } = this.#layOut();
    this.#ring.hidden = true;
    hideTip();
    const canvases = places.map((place) => el('canvas', { width: Math.round(place.width), height: Math.round(place.height), tabindex: '0', role: 'img', style: `left:${place.x0 - LEFT}px;top:${place.y0 - above}px` }));
    this.#panels.replaceChildren(
      ...places.flatMap((place, i) => [
        ...place.title.map((line, n) => el('div', { class: 'panel-title', style: `left:${place.x0 - LEFT + place.left - 12}px;top:${place.y0 + place.top - above - titleHeight(place) + n * PANEL_LINE}px;width:${place.width - place.left - place.right + 24}px` }, line)),
        canvases[i],
      ]),
      this.#ring,
    );
    this.#charts = places.map((place, i) => {
      const panel = this.#figure.panels[i];
      const visible = { ...panel, series: panel.series.map((series): Series => (this.#hidden.has(series.name) ? { ...series, marks: [], failed: [] } : series)) };
      const configuration = chartOf(visible, place, style);
      configuration.options!.devicePixelRatio = devicePixelRatio;
      const chart = new Chart(canvases[i], configuration as never);
      this.#listen(canvases[i], chart, visible, place, above);
      return chart;
    });
  }

  #listen(canvas: HTMLCanvasElement, chart: Chart, panel: Panel, place: PanelPlace, above: number): void {
    let marks: PlacedMark[] | undefined;
    let at = -1;
    const all = () => (marks ??= marksOf(panel, chart));
    const name = [this.#figure.title, panel.title].filter((t) => t !== '').join(', ');
    canvas.setAttribute('aria-label', `${name}: ${panel.y.label} against ${panel.x.label}. Arrow keys go from mark to mark, Enter to the runs behind one.`);
    const show = (mark: PlacedMark | undefined, touch = false) => {
      canvas.style.cursor = mark?.runs.length ? 'pointer' : '';
      this.#ring.hidden = mark === undefined;
      if (mark === undefined) return hideTip();
      const [x, y] = [place.x0 - LEFT + mark.x, place.y0 - above + mark.y];
      this.#ring.style.transform = `translate(${x}px, ${y}px)`;
      const box = this.#panels.getBoundingClientRect();
      showTip(mark, panel, { x: box.left + x, y: box.top + y }, touch ? 'tap again' : 'click');
    };
    const pick = (mark: PlacedMark) => {
      if (mark.runs.length === 0) return;
      hideTip();
      this.#pick(mark.runs);
    };
    const under = (event: MouseEvent) => nearest(all(), event.offsetX, event.offsetY);
    canvas.addEventListener('pointermove', (event) => {
      if (event.pointerType !== 'touch') show(under(event));
    });
    canvas.addEventListener('pointerleave', (event) => {
      if (event.pointerType !== 'touch') show(undefined);
    });
    let touched: PlacedMark | undefined;
    canvas.addEventListener('click', (event) => {
      const mark = under(event);
      const again = touched === mark;
      const touch = (event as PointerEvent).pointerType === 'touch';
      touched = touch ? mark : undefined;
      show(mark, touch);
      if (mark !== undefined && (!touch || again)) pick(mark);
    });
    canvas.addEventListener('blur', () => show(undefined));
    canvas.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const mark = all()[at];
      if (step !== undefined && all().length > 0) at = at < 0 ? (step > 0 ? 0 : all().length - 1) : (at + step + all().length) % all().length;
      else if (event.key === 'Escape') at = -1;
      else if (event.key === 'Enter' && mark !== undefined) return pick(mark);
      else return;
      event.preventDefault();
      show(all()[at]);
    });
  }
}
