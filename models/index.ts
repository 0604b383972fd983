/** The table of mixers. */
import { table } from '#core/config.ts';
import { attention } from './attention.ts';
import { h3 } from './h3.ts';
import { hyena } from './hyena.ts';
import { mamba1 } from './mamba1.ts';
import { mamba2 } from './mamba2.ts';
import { s4d } from './s4d.ts';

export const mixers = table({ attention, mamba1, mamba2, s4d, h3, hyena });
