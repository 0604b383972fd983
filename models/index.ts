/** The table of mixers. */
import { table } from '#core/config.ts';
import { attention } from './attention.ts';
import { based } from './based.ts';
import { deltanet } from './deltanet.ts';
import { gatedConv } from './gated-conv.ts';
import { gatedDeltanet } from './gated-deltanet.ts';
import { gla } from './gla.ts';
import { h3 } from './h3.ts';
import { hyena } from './hyena.ts';
import { linearAttention } from './linear-attention.ts';
import { mamba1 } from './mamba1.ts';
import { mamba2 } from './mamba2.ts';
import { mamba3 } from './mamba3.ts';
import { retnet } from './retnet.ts';
import { rwkv7 } from './rwkv7.ts';
import { s4d } from './s4d.ts';
import { slidingWindow } from './sliding-window.ts';

export const mixers = table({
  attention,
  'sliding-window': slidingWindow,
  'linear-attention': linearAttention,
  based,
  mamba1,
  s4d,
  h3,
  hyena,
  'gated-conv': gatedConv,
  mamba2,
  mamba3,
  retnet,
  gla,
  deltanet,
  'gated-deltanet': gatedDeltanet,
  rwkv7,
});
