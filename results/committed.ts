/** Stores by what a command line names them with: a file, a folder, or a git revision with a path, "main:results/baseline.jsonl". */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecallbenchError } from '#core/errors.ts';
import { exists } from './store-file.ts';
import { readStores, type Contents } from './store.ts';

/** a revision and a path; not a drive letter of Windows */
const REVISION = /^(?<revision>[^:\s]{2,}):(?<path>[^:]+)$/;

/**
 * What is stored at a path or in a committed file, with the records of every device. A path that exists is a path. Throws E_STORE when
 * there is no such file, revision or repository, and when it is no store.
 */
export function readNamed(name: string): Contents {
  const { revision, path } = REVISION.exec(name)?.groups ?? {};
  if (revision === undefined || exists(name)) return readStores([name], { perDevice: true });
  const folder = mkdtempSync(join(tmpdir(), 'recallbench-git-'));
  // learning curves are read when somebody asks for them
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const type = git(['cat-file', '-t', name], name);
  const files = type === 'tree' ? git(['ls-tree', '-r', '--name-only', name], name).split('\n').filter((f) => f.endsWith('.jsonl')) : [''];
  if (files.length === 0) throw new RecallbenchError('E_STORE', `${name} is a folder without a .jsonl file. Name a store, or a folder of stores.`);
  const written = files.map((file, i) => {
    const committed = file === '' ? name : `${revision}:${path.replace(/\/*$/, '')}/${file}`;
    return { committed, at: extract(committed, join(folder, `${i}.jsonl`)) };
  });
  const named = (text: string) => written.reduce((t, { committed, at }) => t.replaceAll(at, committed), text);
  try {
    const { records, measurements, problems, repeated } = readStores(written.map((w) => w.at), { perDevice: true });
    return { records, measurements, problems: problems.map((p) => ({ ...p, path: named(p.path), why: named(p.why) })), repeated };
  } catch (error) {
    if (error instanceof RecallbenchError) throw new RecallbenchError(error.code, named(error.message).replace(/^E_\w+: /, ''), { cause: error });
    throw error;
  }
}

/** Writes a committed file to `at`, whatever its size. */
function extract(name: string, at: string): string {
  const out = openSync(at, 'w');
  try {
    git(['cat-file', 'blob', name], name, out);
  } finally {
    closeSync(out);
  }
  return at;
}

function git(args: readonly string[], name: string, out: number | 'pipe' = 'pipe'): string {
  const { error, status, stdout, stderr } = spawnSync('git', args, { stdio: ['ignore', out, 'pipe'], encoding: 'utf8' });
  if (error !== undefined) throw new RecallbenchError('E_STORE', `${name} names a file in git, and git cannot be started: ${error.message}. Install git, or name a store by its path.`, { cause: error });
  if (status !== 0) {
    const said = stderr.trim().split('\n').at(-1)?.replace(/^fatal: /, '') ?? '';
    throw new RecallbenchError('E_STORE', `${name} is neither a path nor a file that git knows: ${said}. Write <revision>:<path from the root of the repository>, such as main:results/baseline.jsonl; in a shallow clone fetch the revision first (git fetch --depth 1 origin main).`);
  }
  return (stdout ?? '').trim();
}
