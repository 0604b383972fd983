/** The HTML report: one file that holds figures, tables, every run and the code that shows them, and asks no network for anything. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { RecallbenchError } from '#core/errors.ts';
import { packageRoot } from '#core/package-info.ts';
import { describeProblem, type Problem } from '#results/store.ts';
import type { Figure, Stored } from '../figure.ts';
import { themes, type Theme } from '../theme.ts';
import { formatNumber } from '../ticks.ts';
import { payloadOf } from './payload.ts';
import { summaryOf } from './summary.ts';
import { escapeHtml, type HtmlSection } from './markup.ts';

/** What the report says beside records and figures. */
export interface HtmlExtras {
  title?: string;
  /** stand between the figures and the tables */
  sections?: readonly HtmlSection[];
  /** lines of the stores that are no records */
  problems?: readonly Problem[];
  /** ids of records that gave way to others of the same id */
  repeated?: readonly string[];
  /** figures for which there were no data */
  skipped?: readonly { readonly figure: string; readonly why: string }[];
}

/** The whole file. The same arguments give the same bytes. Throws E_OUTPUT when the page's code was not built. */
export function htmlReport({ records, measurements }: Stored, figures: readonly Figure[], more: HtmlExtras = {}): string {
  const { title = 'Recall report', sections = [], problems = [], repeated = [], skipped = [] } = more;
  const { payload, curves } = payloadOf({ records, measurements }, figures);
  const parts: HtmlSection[] = [
    ...(figures.length + skipped.length === 0 ? [] : [{ id: 'figures', title: 'Figures', html: figuresHtml(figures, skipped) }]),
    ...sections,
    ...(records.length === 0 ? [] : [{ id: 'runs', title: 'Runs', html: '<div data-table="runs"></div>' }]),
    ...(measurements.length === 0 ? [] : [{ id: 'costs', title: 'Costs', html: '<div data-table="costs"></div>' }]),
    { id: 'missing', title: 'Missing and failed', html: payload.missing.rows === 0 ? '<p>Nothing: every cell has all of its runs, and all of them finished.</p>' : '<div data-table="missing"></div>' },
    ...(problems.length + repeated.length === 0 ? [] : [{ id: 'problems', title: 'Problems of the stores', html: problemsHtml(problems, repeated) }]),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:">
<meta name="generator" content="recallbench">
<title>${escapeHtml(title)}</title>
<style>
${fontFaces()}
${themeVariables()}
${built('page.css')}
</style>
</head>
<body>
<header class="bar">
<a class="mark" href="#top" data-scroll="top">recallbench</a>
<nav aria-label="Sections">${parts.map(({ id, title: name }) => `<a href="#${escapeHtml(id)}" data-scroll="${escapeHtml(id)}">${escapeHtml(name)}</a>`).join('')}</nav>
<button type="button" id="theme" aria-label="Switch between light and dark"><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 1.75a6.25 6.25 0 0 1 0 12.5z" fill="currentColor"/></svg></button>
</header>
<main id="top">
<h1>${escapeHtml(title)}</h1>
<dl class="summary">
${summaryOf({ records, measurements }).map(([name, words]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(words)}</dd></div>`).join('\n')}
</dl>
<noscript><p>Figures and tables are drawn by the script in this file; it needs JavaScript.</p></noscript>
${parts.map(({ id, title: name, html }) => `<section id="${escapeHtml(id)}" aria-labelledby="${escapeHtml(id)}-title">\n<h2 id="${escapeHtml(id)}-title">${escapeHtml(name)}</h2>\n${html}\n</section>`).join('\n')}
</main>
<dialog id="detail" aria-labelledby="detail-title"></dialog>
<script type="application/json" id="data">${scriptJson(payload)}</script>
<script type="application/json" id="curves">${scriptJson(curves)}</script>
<script>
${built('page.js')}
</script>
</body>
</html>
`;
}

function figuresHtml(figures: readonly Figure[], skipped: NonNullable<HtmlExtras['skipped']>): string {
  const articles = figures.map(
    (figure, i) => `<article class="figure" id="figure-${escapeHtml(figure.name)}" data-figure="${i}">
<h3>${escapeHtml(figure.title)}</h3>
<div class="drawing"></div>
<p class="caption">${escapeHtml(figure.caption.join(' '))}</p>
${figure.notes.map((note) => `<p class="caption note">${escapeHtml(note)}</p>`).join('\n')}
</article>`,
  );
  const contents = figures.length < 3 ? [] : [`<p class="contents">${figures.map((f) => `<a href="#figure-${escapeHtml(f.name)}" data-scroll="figure-${escapeHtml(f.name)}">${escapeHtml(f.title)}</a>`).join('')}</p>`];
  const undrawn = skipped.length === 0 ? [] : [`<details><summary>Not drawn: ${skipped.length === 1 ? 'one figure' : `${skipped.length} figures`}</summary><ul>${skipped.map(({ why }) => `<li>${escapeHtml(why)}</li>`).join('')}</ul></details>`];
  return [...contents, ...articles, ...undrawn].join('\n');
}

function problemsHtml(problems: readonly Problem[], repeated: readonly string[]): string {
  const lines = problems.map((problem) => `<li>${escapeHtml(describeProblem(problem))}</li>`);
  const ids = [...new Set(repeated)];
  const again =
    repeated.length === 0
      ? []
      : [`<p>${formatNumber(repeated.length)} record${repeated.length === 1 ? '' : 's'} gave way to another of the same point (a finished one is kept, among equals the latest): ${ids.slice(0, 20).map((id) => `<a href="#run=${encodeURIComponent(id)}"><code>${escapeHtml(id)}</code></a>`).join(', ')}${ids.length > 20 ? ` and ${formatNumber(ids.length - 20)} more` : ''}.</p>`];
  return [...(lines.length === 0 ? [] : [`<ul class="problems">${lines.join('\n')}</ul>`]), ...again].join('\n');
}

/** JSON that ends no script element, whatever is in it. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** The colours of a theme as CSS, for the page to be of one piece with its figures. */
function themeVariables(): string {
  const variables = ({ paper, text, faint, grid, axis }: Theme) => `--paper:${paper};--text:${text};--faint:${faint};--grid:${grid};--axis:${axis};`;
  return `:root{${variables(themes.screen)}color-scheme:light}
@media (prefers-color-scheme:dark){:root:not([data-theme]){${variables(themes.dark)}color-scheme:dark}}
:root[data-theme=dark]{${variables(themes.dark)}color-scheme:dark}
@media print{:root:not([data-theme]),:root[data-theme]{${variables(themes.paper)}color-scheme:light}}`;
}

/** Inter (SIL Open Font License 1.1), the font of the figures. */
function fontFaces(): string {
  const require = createRequire(import.meta.url);
  return [400, 600]
    .map((weight) => {
      const file = require.resolve(`@fontsource/inter/files/inter-latin-${weight}-normal.woff2`);
      return `@font-face{font-family:Inter;font-weight:${weight};src:url(data:font/woff2;base64,${readFileSync(file).toString('base64')}) format("woff2")}`;
    })
    .join('\n');
}

/** The page's own code, which `npm run build:page` makes from browser/. */
function built(name: string): string {
  const path = join(packageRoot, 'dist', 'reports', 'html', name);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new RecallbenchError('E_OUTPUT', `${path}, the code of the HTML report, cannot be read. Make it with: npm run build:page`, { cause: error });
  }
}
