/** Examples drawn as text. */
import { UNSCORED, type Example } from './task.ts';

/**
 * One example as text: tokens in one row, targets under them, a dot where nothing is scored. Rows longer than `width`
 * characters go on in the next block, which starts with its first position.
 *
 *     tokens   2 8 4 7 2 0 0 0 0 0 4 0 0 0 0 0
 *     targets  · · · · 8 · · · · · 7 · · · · ·
 */
export function drawExample({ tokens, targets }: Example, width = 100): string {
  const cells = Array.from(tokens, (token, t) => [`${token}`, targets[t] === UNSCORED ? '·' : `${targets[t]}`] as const);
  const cell = Math.max(...cells.flat().map((text) => text.length));
  const perRow = Math.max(1, Math.floor((width - 'targets '.length) / (cell + 1)));
  const blocks: string[] = [];
  for (let start = 0; start < cells.length; start += perRow) {
    const part = cells.slice(start, start + perRow);
    const row = (label: string, which: 0 | 1) => label.padEnd(8) + part.map((c) => ` ${c[which].padStart(cell)}`).join('');
    const head = cells.length > perRow ? `position ${start}\n` : '';
    blocks.push(`${head}${row('tokens', 0)}\n${row('targets', 1)}\n`);
  }
  return blocks.join('\n');
}
