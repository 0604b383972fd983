/** The table of published claims, in the order in which they are told. */
import { table } from '#core/config.ts';
import type { Stored } from '../figure.ts';
import { attentionHybrid } from './attention-hybrid.ts';
import { constantDecodeState } from './constant-decode-state.ts';
import { decideAll, type Decision } from './decide.ts';
import { formsEqual } from './forms-equal.ts';
import { growthWithLength } from './growth-with-length.ts';
import { largerStateHelps } from './larger-state-helps.ts';
import { largerStateTrainsFaster } from './larger-state-trains-faster.ts';
import { mamba2BeatsMamba1 } from './mamba2-beats-mamba1.ts';
import { ssdFasterThanScan } from './ssd-faster-than-scan.ts';
import { ssdPassesAttention, ssdSixTimesAttention } from './ssd-passes-attention.ts';
import { scanLinearInState, ssdFlatInState } from './state-growth.ts';

export const claims = table({
  'mamba2-beats-mamba1': mamba2BeatsMamba1,
  'larger-state-helps': largerStateHelps,
  'larger-state-trains-faster': largerStateTrainsFaster,
  'ssd-faster-than-scan': ssdFasterThanScan,
  'scan-linear-in-state': scanLinearInState,
  'ssd-flat-in-state': ssdFlatInState,
  'ssd-passes-attention': ssdPassesAttention,
  'ssd-six-times-attention': ssdSixTimesAttention,
  'growth-with-length': growthWithLength,
  'forms-equal': formsEqual,
  'attention-hybrid': attentionHybrid,
  'constant-decode-state': constantDecodeState,
});

/** All claims against what stores hold. */
export function decideClaims(stored: Stored): Decision[] {
  return decideAll(Object.values(claims), stored);
}
