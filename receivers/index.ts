import type { AnyReceiverDefinition, Loaders } from '../src/component.ts';

/** Every receiver, by type, loaded only where one is configured. */
export const receivers: Loaders<AnyReceiverDefinition> = {
  clock: () => import('./clock.ts'),
  connections: () => import('./connections/index.ts'),
  count: () => import('./count/index.ts'),
  cpu: () => import('./cpu/index.ts'),
  disk: () => import('./disk.ts'),
  entities: () => import('./entities/index.ts'),
  files: () => import('./files/index.ts'),
  filesystem: () => import('./filesystem/index.ts'),
  journald: () => import('./journald/index.ts'),
  kafka: () => import('./kafka.ts'),
  kmsg: () => import('./kmsg/index.ts'),
  load: () => import('./load.ts'),
  logs: () => import('./logs/index.ts'),
  memory: () => import('./memory.ts'),
  nats: () => import('./nats.ts'),
  network: () => import('./network/index.ts'),
  otlp: () => import('./otlp.ts'),
  paging: () => import('./paging.ts'),
  process: () => import('./process/index.ts'),
  process_events: () => import('./process_events/index.ts'),
  processes: () => import('./processes/index.ts'),
  self: () => import('./self/index.ts'),
  syslog: () => import('./syslog/index.ts'),
  system: () => import('./system.ts'),
};
