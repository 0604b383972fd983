/** The table of preset sweeps. */
import { table } from '#core/config.ts';
import { mamba2Fig8, mamba2Fig8Small } from './mamba2-fig8.ts';
import { quick } from './quick.ts';
import { basedFig2, zoologyFig2 } from './zoology.ts';

export const sweeps = table({ quick, 'mamba2-fig8': mamba2Fig8, 'mamba2-fig8-small': mamba2Fig8Small, 'zoology-fig2': zoologyFig2, 'based-fig2': basedFig2 });
