/** The claims as a section of an HTML page. */
import { measuredText, placeName, verdictNames } from './claim.ts';
import { counts, type Decision } from './decide.ts';
import { byClaim } from './markdown.ts';

export interface HtmlSection {
  /** for a link within the page */
  readonly id: string;
  /** text, not markup */
  readonly title: string;
  /** markup of what stands under the title */
  readonly html: string;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => entities[c]!);

/** One row a verdict; source, rule and command of a claim fold out under its statement. */
export function claimsHtml(decisions: readonly Decision[]): HtmlSection {
  const rows = byClaim(decisions).flatMap(([claim, own]) =>
    own.map(({ place, verdict }, i) => {
      const about = `<td rowspan="${own.length}">${escaped(claim.statement)}<details><summary>source and rule</summary><p>${escaped(claim.source)}</p><p>${escaped(claim.criterion)}</p><p><code>${escaped(claim.needs)}</code></p></details></td>`;
      const cells = [place === undefined ? '' : placeName(place), verdictNames[verdict.state], verdict.measured === undefined ? '' : measuredText(verdict.measured), verdict.evidence];
      return `<tr class="${verdict.state}">${i === 0 ? about : ''}${cells.map((text) => `<td>${escaped(text)}</td>`).join('')}</tr>`;
    }),
  );
  const head = ['claim', 'where', 'verdict', 'measured', 'evidence'].map((name) => `<th scope="col">${name}</th>`).join('');
  const html = `<p>${escaped(counts(decisions))}. Each claim is decided for every device, engine and precision by itself.</p>\n<table class="claims">\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table>`;
  return { id: 'claims', title: 'Published claims, and what was measured', html };
}
