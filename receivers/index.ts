import type { AnyReceiverDefinition } from '../src/component.ts';
import count from './count/index.ts';
import cpu from './cpu/index.ts';
import disk from './disk.ts';
import files from './files/index.ts';
import filesystem from './filesystem/index.ts';
import kafka from './kafka.ts';
import load from './load.ts';
import memory from './memory.ts';
import nats from './nats.ts';
import network from './network/index.ts';
import otlp from './otlp.ts';
import paging from './paging.ts';
import process from './process/index.ts';
import processes from './processes/index.ts';
import self from './self/index.ts';
import system from './system.ts';

/** Every receiver, by name. */
export const receivers: readonly AnyReceiverDefinition[] = [
  count,
  cpu,
  disk,
  files,
  filesystem,
  kafka,
  load,
  memory,
  nats,
  network,
  otlp,
  paging,
  process,
  processes,
  self,
  system,
];
