/** Every task that can be named: the suite's own, and those that plugins add (plugins.ts). */
import { tasks as own } from '#tasks/index.ts';
import type { Task } from '#tasks/task.ts';

export const tasks: Record<string, Task> = { ...own };
