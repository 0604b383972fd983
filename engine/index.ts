/** The table of engines. */
import { existsSync } from 'node:fs';
import { lookUp, table } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { tensorflow, tensorflowGpu } from './tensorflow/engine.ts';
import { tfjs } from './tfjs/engine.ts';
import { wasm } from './wasm/engine.ts';
import { webgpu } from './webgpu/engine.ts';

export const engines = table({ wasm, webgpu, tfjs, 'tensorflow-gpu': tensorflowGpu, tensorflow });

/**
 * Opens an engine by name, or "auto": webgpu where there is a real GPU, else wasm.
 * Errors: E_NAME, E_ENGINE with the remedy, E_CONFIG where the engine has not the precision.
 */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  const entry = lookUp(engines, 'engine', name === 'auto' ? await fastest() : name);
  const available = await entry.available();
  if (!available.ok) throw new RecallbenchError('E_ENGINE', `engine ${entry.name} cannot run here: ${available.reason}. Remedy: ${available.remedy}.`);
  if (options.precision === 'mixed' && entry.name !== 'webgpu') {
    throw new RecallbenchError('E_CONFIG', `engine ${entry.name} computes in fp32 only. Remedy: leave out --precision, or use --engine webgpu on a GPU with float16.`);
  }
  return entry.open(options);
}

async function fastest(): Promise<string> {
  // where Linux has no GPU device at all, Dawn need not be loaded to complain of it
  if (process.platform === 'linux' && !['/dev/dri', '/dev/nvidia0', '/dev/dxg'].some((device) => existsSync(device))) return 'wasm';
  const gpu = await engines.webgpu.available();
  return gpu.ok && gpu.slow !== true ? 'webgpu' : 'wasm';
}
