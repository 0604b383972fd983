/** Where the package lies and which version it is, from source or from dist. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('package.json of recallbench not found');
    dir = up;
  }
  return dir;
}

/** The folder of package.json. */
export const packageRoot: string = findRoot();

const packed = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string; gitHead?: string };

/** The package's version. */
export const packageVersion: string = packed.version;

/** The commit that a package was made from, where its package.json says so (npm's own field). */
export const packageCommit: string | undefined = packed.gitHead;
