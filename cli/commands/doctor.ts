/** `doctor`: what works here, and for what does not the reason and the remedy. */
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot, packageVersion } from '#core/package-info.ts';
import type { EngineEntry, Program } from '#engine/engine.ts';
import { print, printJson } from '../output.ts';
import { bytes } from '../quantities.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Whether this Node lies in the range of versions that package.json names, of the form ">=a.b <c". */
function checkNode(): Check {
  const { engines } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { engines: { node: string } };
  const [, fromMajor, fromMinor, below] = /^>=(\d+)\.(\d+) <(\d+)$/.exec(engines.node)!.map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  const ok = major < below && (major > fromMajor || (major === fromMajor && minor >= fromMinor));
  return { name: 'node', ok, detail: `${process.version}, V8 ${process.versions.v8}`, ...(ok ? {} : { remedy: `install Node ${engines.node}` }) };
}

/** Threads share memory; without it the embedded engine has one thread. */
function checkThreads(): Check {
  const ok = typeof SharedArrayBuffer === 'function';
  return { name: 'threads', ok, detail: `${availableParallelism()} of ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`, ...(ok ? {} : { remedy: 'run Node with shared memory' }) };
}

function checkMemory(): Check & { total: number; free: number } {
  const limit = process.constrainedMemory();
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const free = Math.min(freemem(), total);
  return { name: 'memory', ok: true, detail: `${bytes(free)} free of ${bytes(total)}`, total, free };
}

/** Which vector instructions the embedded engine has; everything runs with any of them. */
async function checkSimd(): Promise<Check> {
  const { simdOf } = await import('#engine/wasm/runtime.ts');
  const simd = simdOf();
  const what = {
    plain: 'plain: a processor with fused multiply-add and a newer Node have relaxed SIMD, which is faster',
    relaxed: 'relaxed, 128 bits at a time; Node 24 or later on x64 Linux with AVX2 joins them to 256, which is up to twice as fast',
    wide: 'wide, 256 bits at a time',
  };
  return { name: 'SIMD', ok: simd !== 'plain', detail: what[simd], ...(simd === 'plain' ? { remedy: 'nothing needs doing' } : {}) };
}

/** Draws one pixel, which figures need. */
async function checkCanvas(): Promise<Check> {
  try {
    const { createCanvas } = await import('@napi-rs/canvas');
    const context = createCanvas(2, 2).getContext('2d');
    context.fillStyle = '#009E73';
    context.fillRect(0, 0, 2, 2);
    const [r, g, b] = context.getImageData(1, 1, 1, 1).data;
    if (r !== 0 || g !== 0x9e || b !== 0x73) throw new Error(`a pixel came out as ${r}, ${g}, ${b}`);
    return { name: 'canvas', ok: true, detail: 'draws' };
  } catch (error) {
    return { name: 'canvas', ok: false, detail: `figures cannot be drawn: ${message(error)}`, remedy: 'npm install, which fetches the prebuilt @napi-rs/canvas of this platform' };
  }
}

/** Side of the square matrices of the self-test's product, and how long it is repeated. */
const SIDE = 256;
const FOR_MS = 1000;

/** Opens an engine, lets it compute d(Σ (a·b)²)/da by hand-made numbers (products, a sum and a gradient), then times a matrix product. */
async function selfTest(entry: EngineEntry): Promise<{ description: string; ms: number; gflops: number }> {
  const { tf } = await import('#engine/tf.ts');
  const engine = await entry.open();
  try {
    const program: Program = {
      state: {},
      functions: {
        test: ({ a, b }) => {
          const f = (x: import('#engine/tf.ts').Tensor) => tf.sum(tf.square(tf.matMul(x as never, b as never)));
          return { outputs: { gradient: tf.grad(f)(a) } };
        },
        product: ({ a, b }) => ({ outputs: { trace: tf.sum(tf.matMul(a as never, b as never)) } }),
      },
    };
    const inputs = { a: { shape: [1, 2], data: Float32Array.of(1, 2) }, b: { shape: [2, 2], data: Float32Array.of(3, 4, 5, 6) } };
    const executable = engine.compile(program);
    const began = performance.now();
    const { gradient } = await executable.run('test', inputs).read();
    const ms = performance.now() - began;
    const square = { shape: [SIDE, SIDE], data: new Float32Array(SIDE * SIDE).fill(0.5) };
    const product = () => executable.run('product', { a: square, b: square });
    await product().read();
    const start = performance.now();
    let products = 0;
    while (performance.now() - start < FOR_MS) {
      const some = Array.from({ length: 8 }, product);
      for (const result of some) await result.read();
      products += some.length;
    }
    const gflops = (2 * SIDE ** 3 * products) / (performance.now() - start) / 1e6;
    executable.dispose();
    // a·b = [13, 16], so the gradient is 2·[13·3 + 16·4, 13·5 + 16·6]
    if (gradient.data[0] !== 206 || gradient.data[1] !== 322) throw new Error(`the self-test came out as [${gradient.data.join(', ')}] instead of [206, 322]`);
    const { adapter, threads, features } = engine.describe();
    return { description: [adapter, ...(threads === undefined ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`]), ...features].join(', '), ms, gflops };
  } finally {
    await engine.close();
  }
}

interface EngineCheck extends Check {
  readonly summary: string;
  readonly selfTest?: { ok: boolean; ms?: number; gflops?: number };
  readonly devices?: Record<string, unknown>;
}

async function checkEngine(entry: EngineEntry): Promise<EngineCheck> {
  const { name, summary } = entry;
  const broken = (detail: string, remedy: string): EngineCheck => ({ name, summary, ok: false, detail, remedy });
  try {
    const available = await entry.available();
    if (!available.ok) return broken(available.reason, available.remedy);
  } catch (error) {
    return broken(message(error), 'report this as a fault of recallbench');
  }
  try {
    const { description, ms, gflops } = await selfTest(entry);
    const devices = await entry.inspect?.();
    const speed = `self-test passed, ${gflops.toPrecision(2)} GFLOP/s in a ${SIDE}³ product`;
    return { name, summary, ok: true, detail: `${description}: ${speed}`, selfTest: { ok: true, ms, gflops }, ...(devices === undefined ? {} : { devices }) };
  } catch (error) {
    return { ...broken(message(error), 'npm run build in a checkout, npm install --force otherwise; if that does not help, report it'), selfTest: { ok: false } };
  }
}

async function doctor({ json }: { json?: true }): Promise<void> {
  const { engines: entries } = await import('#engine/index.ts');
  const engines: EngineCheck[] = [];
  for (const entry of Object.values(entries)) engines.push(await checkEngine(entry));
  const [node, threads, memory, simd, canvas] = [checkNode(), checkThreads(), checkMemory(), await checkSimd(), await checkCanvas()];
  const runs = engines.some((e) => e.ok);
  // an engine that is not there, or plain SIMD, is no fault of the machine
  const ok = runs && node.ok && threads.ok && canvas.ok;
  process.exitCode = !runs ? 3 : ok ? 0 : 1;
  if (json) return printJson({ ok, version: packageVersion, node, threads, memory, simd, canvas, engines });
  const show = (check: Check) => `  ${check.ok ? '✓' : '✗'} ${check.name.padEnd(14)}  ${check.detail}${check.ok || check.remedy === undefined ? '' : `\n${' '.repeat(20)}Remedy: ${check.remedy}.`}`;
  print(`recallbench ${packageVersion}\n\nmachine\n${[node, threads, memory, simd, canvas].map(show).join('\n')}\n\nengines\n${engines.map(show).join('\n')}\n`);
  print(!runs ? 'No engine runs here.' : ok ? 'Ready: try "recallbench sweep quick".' : 'Something needs attention, see ✗ above.');
}

export function configure(command: Command): void {
  command.action(doctor).addHelpText('after', '\nExits with 3 when no engine runs here, with 1 when something else needs attention.\nRECALLBENCH_SIMD=plain|relaxed|wide limits the vector instructions of the engine wasm.\n\nExample:\n  $ recallbench doctor --json | jq .engines');
}
