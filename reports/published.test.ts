/** The figures of the published results, as `recallbench report all --from results/published --anchors --width column --no-caption` draws them. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readStores } from '#results/store.ts';
import { drawCsv } from './csv.ts';
import { drawSvg } from './draw.ts';
import { figures } from './index.ts';

const stored = readStores([fileURLToPath(new URL('../results/published', import.meta.url))]);
const hashes: string[] = [];

/** Of a larger drawing only a hash is kept. */
const LARGE = 300_000;
const hashed = (name: string, content: string) => hashes.push(`${createHash('sha256').update(content).digest('hex').slice(0, 16)} ${content.length} ${name}`);

test.each(Object.values(figures).map((kind) => [kind.name, kind] as const))('%s of the published results is drawn as it was', async (name, kind) => {
  const figure = kind.build(stored, { anchors: true });
  const svg = drawSvg(figure, { mm: 85, caption: false });
  if (svg.length > LARGE) hashed(`${name}.svg`, svg);
  else await expect(svg).toMatchFileSnapshot(`./golden/published/${name}.svg`);
  hashed(`${name}.csv`, drawCsv(figure));
});

test('tables and large drawings of the published results are what they were', async () => {
  await expect(`${hashes.join('\n')}\n`).toMatchFileSnapshot('./golden/published/sha256.txt');
});
