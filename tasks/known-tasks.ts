/** Every task that can be named: the suite's own, and those that plugins add (harness/plugins.ts). */
import { tasks as own } from './index.ts';
import type { Task } from './task.ts';

export const tasks: Record<string, Task> = { ...own };
