import type { AnyReceiverDefinition } from '../src/component.ts';
import cpu from './cpu/index.ts';
import load from './load.ts';
import memory from './memory.ts';
import paging from './paging.ts';
import processes from './processes/index.ts';
import system from './system.ts';

/** Every receiver, by name. */
export const receivers: readonly AnyReceiverDefinition[] = [cpu, load, memory, paging, processes, system];
