/** Every mixer that can be named: the suite's own, and those that plugins add (plugins.ts). */
import { mixers as own } from '#models/index.ts';
import type { Mixer } from '#models/mixer.ts';

export const mixers: Record<string, Mixer> = { ...own };
