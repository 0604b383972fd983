/** Every mixer that can be named: the suite's own, and those that plugins add (harness/plugins.ts). */
import { mixers as own } from './index.ts';
import type { Mixer } from './mixer.ts';

export const mixers: Record<string, Mixer> = { ...own };
