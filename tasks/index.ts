/** The table of tasks. */
import { table } from '#core/config.ts';
import { mqar } from './mqar.ts';

export const tasks = table({ mqar });
