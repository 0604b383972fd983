/** The table of throughput presets. */
import { table } from '#core/config.ts';
import { ci } from './ci.ts';
import { decode } from './decode.ts';
import { fig10Length, fig10State } from './fig10.ts';
import { mixers } from './mixers.ts';
import { mqarOps } from './mqar-ops.ts';
import { quick } from './quick.ts';
import { ssdForms } from './ssd-forms.ts';
import { trainMqar } from './train-mqar.ts';

export const throughputs = table({ quick, ci, 'fig10-length': fig10Length, 'fig10-state': fig10State, decode, 'train-mqar': trainMqar, 'mqar-ops': mqarOps, 'ssd-forms': ssdForms, mixers });
