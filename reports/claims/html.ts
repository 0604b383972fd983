/** The claims as a section of an HTML page. */
import { escapeHtml, type HtmlSection } from '../html/markup.ts';
import { measuredText, placeName, verdictNames } from './claim.ts';
import { counts, type Decision } from './decide.ts';
import { byClaim } from './markdown.ts';

/** One row a verdict; source, rule and command of a claim fold out under its statement. */
export function claimsHtml(decisions: readonly Decision[]): HtmlSection {
  const rows = byClaim(decisions).flatMap(([claim, own]) =>
    own.map(({ place, verdict }, i) => {
      const about = `<td rowspan="${own.length}">${escapeHtml(claim.statement)}<details><summary>source and rule</summary><p>${escapeHtml(claim.source)}</p><p>${escapeHtml(claim.criterion)}</p><p><code>${escapeHtml(claim.needs)}</code></p></details></td>`;
      const cells = [place === undefined ? '' : placeName(place), verdictNames[verdict.state], verdict.measured === undefined ? '' : measuredText(verdict.measured), verdict.evidence];
      return `<tr class="${verdict.state}">${i === 0 ? about : ''}${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}</tr>`;
    }),
  );
  const head = ['claim', 'where', 'verdict', 'measured', 'evidence'].map((name) => `<th scope="col">${name}</th>`).join('');
  const html = `<p>${escapeHtml(counts(decisions))}. Each claim is decided for every device, engine and precision by itself.</p>\n<div class="wide"><table class="plain-table claims">\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`;
  return { id: 'claims', title: 'Published claims', html };
}
