/** What whoever writes a part of the HTML report needs. */

/** A section of the report that others make. */
export interface HtmlSection {
  /** its anchor */
  id: string;
  title: string;
  /** goes into the page as it is: whoever makes it escapes what must be */
  html: string;
}

/** A text as HTML, in elements and in attributes between double quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
