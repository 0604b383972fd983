/** The table of workloads. */
import { table } from '#core/config.ts';
import { decodeWorkload, prefillWorkload } from './inference.ts';
import { causalAttentionWorkload, longConvWorkload, naiveScanWorkload, selectiveScanWorkload, ssdWorkload } from './ops.ts';
import { copyWorkload, gemmWorkload, launchWorkload } from './roofs.ts';
import { ssdFormsWorkload } from './ssd-forms.ts';
import { trainWorkload } from './train.ts';

export const workloads = table({
  gemm: gemmWorkload,
  copy: copyWorkload,
  launch: launchWorkload,
  'causal-attention': causalAttentionWorkload,
  'selective-scan': selectiveScanWorkload,
  'long-conv': longConvWorkload,
  'naive-scan': naiveScanWorkload,
  ssd: ssdWorkload,
  'ssd-forms': ssdFormsWorkload,
  train: trainWorkload,
  prefill: prefillWorkload,
  decode: decodeWorkload,
});
