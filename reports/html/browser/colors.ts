/** Light or dark: as the system says, until somebody chooses; and what listens when it changes. */
import { themes, type Theme } from '../../theme.ts';

const KEY = 'recallbench-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners: (() => void)[] = [];
let printing = false;

function chosen(): 'light' | 'dark' {
  const set = document.documentElement.dataset['theme'];
  return set === 'light' || set === 'dark' ? set : system.matches ? 'dark' : 'light';
}

/** What figures are drawn on now. */
export function theme(): Theme {
  return printing ? themes.paper : chosen() === 'dark' ? themes.dark : themes.screen;
}

export function onTheme(listener: () => void): void {
  listeners.push(listener);
}

/** Figures on paper are drawn as for paper; listeners are told by whoever prints. */
export function setPrinting(on: boolean): void {
  printing = on;
}

/** Takes the choice of an earlier visit, and the button that changes it. */
export function startTheme(press: HTMLElement): void {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === 'light' || kept === 'dark') document.documentElement.dataset['theme'] = kept;
  } catch {
    // a page from a file may have no storage: then the choice lasts as long as the page
  }
  const tell = () => {
    press.setAttribute('aria-pressed', String(chosen() === 'dark'));
    for (const listener of listeners) listener();
  };
  press.addEventListener('click', () => {
    const next = chosen() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = next;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // as above
    }
    tell();
  });
  system.addEventListener('change', tell);
  press.setAttribute('aria-pressed', String(chosen() === 'dark'));
}
