/** The table of engines. */
import { lookUp, table } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { tfjs } from './tfjs/engine.ts';
import { wasm } from './wasm/engine.ts';

export const engines = table({ wasm, tfjs });

/** Opens an engine by name, or "auto": the fastest that runs here. Errors: E_NAME, E_ENGINE with the remedy. */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  const entry = lookUp(engines, 'engine', name === 'auto' ? 'wasm' : name);
  const available = await entry.available();
  if (!available.ok) throw new RecallbenchError('E_ENGINE', `engine ${entry.name} cannot run here: ${available.reason}. Remedy: ${available.remedy}.`);
  return entry.open(options);
}
