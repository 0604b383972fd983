// Bundles what the HTML report runs in the browser (reports/html/browser) into dist/reports/html/page.js and page.css, so that the
// published package needs no bundler.
import { readFileSync, statSync } from 'node:fs';
import { build } from 'esbuild';

const out = 'dist/reports/html';
await build({
  entryPoints: ['main.ts', 'page.css'].map((name) => ({ in: `reports/html/browser/${name}`, out: 'page' })),
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome111', 'firefox114', 'safari16.4'],
  conditions: ['recallbench-source'],
  legalComments: 'eof', // the licence of Chart.js asks for its notice in every copy
  logLevel: 'warning',
});
for (const [name, forbidden] of [['page.js', /<\/script|<!--/i], ['page.css', /<\/style|@import|url\((?!data:)/i]]) {
  const text = readFileSync(`${out}/${name}`, 'utf8');
  if (forbidden.test(text)) throw new Error(`${out}/${name} holds ${forbidden}, which cannot stand inside the page`);
  process.stdout.write(`${out}/${name}, ${Math.round(statSync(`${out}/${name}`).size / 1024)} KiB\n`);
}
