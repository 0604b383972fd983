/** Elements made in one expression. */

type Child = Node | string | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes (`true` is one without a value, `false` none) and children. */
export function el<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : String(value));
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** A button that does something. */
export function button(words: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = el('button', { type: 'button', ...attributes }, words);
  made.addEventListener('click', act);
  return made;
}

/** A button that copies a text, and says so. */
export function copyButton(text: () => string): HTMLButtonElement {
  const made = button('Copy', () => {
    const say = (words: string) => {
      made.textContent = words;
      setTimeout(() => (made.textContent = 'Copy'), 1500);
    };
    copy(text()).then(
      () => say('Copied'),
      () => say('Not allowed here'),
    );
  });
  return made;
}

/** A page from a file may have no clipboard of its own: then by selecting. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el('textarea', { class: 'unseen' });
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.value = text;
    area.select();
    // the one way left where the clipboard asks for a secure origin
    const copied = document.execCommand('copy');
    area.remove();
    if (!copied) throw new Error('no clipboard');
  }
}

/** A button that saves a text as a file. */
export function saveButton(words: string, name: string, type: string, text: () => string): HTMLButtonElement {
  return button(words, () => {
    const url = URL.createObjectURL(new Blob([text()], { type }));
    el('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
}

/** Names and what belongs to them; what is undefined is left out. */
export function facts(rows: readonly (readonly [name: string, value: string | Node | undefined])[]): HTMLDListElement {
  return el('dl', { class: 'facts' }, ...rows.flatMap(([name, value]) => (value === undefined ? [] : [el('div', {}, el('dt', {}, name), el('dd', {}, value))])));
}

/** A table of texts under heads; columns of numbers, by their place, are set to the right. */
export function plainTable(head: readonly string[], rows: readonly (readonly string[])[], isNumber: (column: number) => boolean = () => false): HTMLTableElement {
  const cells = (row: readonly string[], cell: (text: string, attributes: Attributes) => HTMLElement) => el('tr', {}, ...row.map((text, i) => cell(text, { class: isNumber(i) ? 'number' : undefined })));
  return el(
    'table',
    { class: 'plain-table' },
    el('thead', {}, cells(head, (text, attributes) => el('th', { scope: 'col', ...attributes }, text))),
    el('tbody', {}, ...rows.map((row) => cells(row, (text, attributes) => el('td', attributes, text)))),
  );
}
