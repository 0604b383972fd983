/** The table of mixers. */
import { table } from '#core/config.ts';
import { attention } from './attention.ts';
import { deltanet } from './deltanet.ts';
import { gatedDeltanet } from './gated-deltanet.ts';
import { gla } from './gla.ts';
import { mamba1 } from './mamba1.ts';
import { mamba2 } from './mamba2.ts';
import { rwkv7 } from './rwkv7.ts';

export const mixers = table({ attention, mamba1, mamba2, gla, deltanet, 'gated-deltanet': gatedDeltanet, rwkv7 });
