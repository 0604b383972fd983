/** The table of mixers. */
import { table } from '#core/config.ts';
import { attention } from './attention.ts';
import { deltanet } from './deltanet.ts';
import { mamba1 } from './mamba1.ts';
import { mamba2 } from './mamba2.ts';

export const mixers = table({ attention, mamba1, mamba2, deltanet });
