/**
 * Whether two devices are the same to a comparison: the hardware, what drives it and how it was used. What the code under test may itself
 * change (versions of Node and of packages) and what says little (the kernel's release, the memory to the byte) is told, and does not
 * keep a comparison from being made.
 */
import { canonicalJson } from '#core/content-id.ts';
import type { Device } from './record.ts';

/** The device fingerprint: two of them are equal where times may be compared. */
export function fingerprintOf({ engine, adapter, driver, threads, precision, host }: Device): Record<string, string> {
  const [os, , arch] = host.os.split(' ');
  return {
    engine,
    adapter,
    ...(driver === undefined ? {} : { driver }),
    ...(threads === undefined ? {} : { threads: `${threads}` }),
    precision,
    cpu: host.cpu,
    cores: `${host.cores}`,
    os: arch === undefined ? host.os : `${os} ${arch}`,
  };
}

/** Canonical text of the fingerprint. */
export function deviceKey(device: Device): string {
  return canonicalJson(fingerprintOf(device));
}

/** "engine wasm, 2 threads, AMD EPYC" */
export function placeName({ engine, threads, precision, adapter }: Device): string {
  return [`engine ${engine}`, ...(threads === undefined ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`]), ...(precision === 'fp32' ? [] : [precision]), adapter].join(', ');
}

/** Whether nobody knows where a record was made, since its process died before it could say. */
export function isUnknown(device: Device): boolean {
  return device.adapter === 'unknown';
}

/** In which fields two fingerprints differ: `adapter "A" and "B"`. */
export function differences(a: Device, b: Device): string[] {
  return unequal(fingerprintOf(a), fingerprintOf(b));
}

/** Differences that do not matter to whether a comparison can be made: versions, features, the operating system's release. */
export function remarks(a: Device, b: Device): string[] {
  return unequal({ ...a.versions, features: a.features.join(', '), os: a.host.os }, { ...b.versions, features: b.features.join(', '), os: b.host.os });
}

function unequal(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => (a[key] === b[key] ? [] : [`${key} ${quoted(a[key])} and ${quoted(b[key])}`]));
}

const quoted = (text: string | undefined) => (text === undefined ? 'none' : `"${text}"`);
