/** Who measured: the host, the engine and the code. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageCommit, packageRoot, packageVersion } from '#core/package-info.ts';
import type { EngineDescription } from '#engine/engine.ts';
import type { Device, RunRecord } from '#results/record.ts';

/** The device fingerprint of a record. */
export function fingerprint(engine: EngineDescription): Device {
  const list = cpus();
  return { ...engine, host: { cpu: list[0]?.model.trim() ?? 'unknown', cores: list.length, memoryBytes: totalmem(), os: `${platform()} ${release()} ${arch()}` } };
}

/** Package version, and the commit when run from a checkout or from a package that tells it. */
export function codeVersion(): RunRecord['code'] {
  if (!existsSync(join(packageRoot, '.git'))) return { version: packageVersion, ...(packageCommit === undefined ? {} : { commit: packageCommit.slice(0, 12) }) };
  try {
    const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return { version: packageVersion, commit };
  } catch {
    return { version: packageVersion };
  }
}
