/** Reads the messages of the Linux kernel from /dev/kmsg. What becomes of each part, and how its time is found: docs/receivers/kmsg.md. */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option, optional } from '../../src/config/options.ts';
import { SYSLOG_SEVERITY_NAMES } from '../../src/logs/syslog.ts';
import { LAG_METRIC } from '../../src/lag_probe.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createPositionFile, positionPath } from '../../src/position_file.ts';
import { createKernelClock } from './clock.ts';
import { createReader, type Position, type Reader } from './reader.ts';
import { openKmsg } from './source.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'kmsg',
  about:
    'Reads the messages of the Linux kernel, tells of those that were lost, and goes on after a restart where it was.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    priority: option(v.picklist(SYSLOG_SEVERITY_NAMES), 'The least severe messages to read; debug is all.', 'debug'),
    start_at: option(
      v.picklist(['beginning', 'end']),
      'Where to begin where no position is kept: with the oldest message that the kernel has, or with the next. After a boot it is always the oldest.',
      'end',
    ),
    position_file: optional(
      v.pipe(v.string('a path'), v.minLength(1, 'a path')),
      'File that keeps how far was read; STATE_DIRECTORY/positions/ID.json if left out, without that /var/lib/sonde/positions for root and ~/.local/state/sonde/positions for others.',
    ),
  }),
  metrics: {
    records: {
      name: 'kmsg.records',
      instrument: 'counter',
      unit: '{record}',
      about: 'Kernel messages that were read.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    bytes: {
      name: 'kmsg.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes of the kernel messages that were read.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    malformed: {
      name: 'kmsg.malformed',
      instrument: 'counter',
      unit: '{record}',
      about: 'Records of /dev/kmsg that could not be understood.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    dropped: {
      name: 'kmsg.dropped',
      instrument: 'counter',
      unit: '{record}',
      about: 'Kernel messages that were overwritten before they could be read.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    lag: LAG_METRIC,
  },
  permissions: [{ needs: 'CAP_SYSLOG', without: 'kernel messages, where kernel.dmesg_restrict is 1' }],
  sources: ['/dev/kmsg'],
  create(context) {
    const { id, config, host, metrics, log, next } = context;
    const own = { 'sonde.component.id': id };
    let reader: Reader | undefined;

    return {
      collect(observer) {
        if (reader === undefined) return;
        const { records, bytes, malformed, lost } = reader.figures;
        observer.observe(metrics.records, records);
        observer.observe(metrics.bytes, bytes);
        observer.observe(metrics.malformed, malformed);
        observer.observe(metrics.dropped, lost);
      },
      start() {
        if (host.platform !== 'linux')
          throw new Error(`Cannot read kernel messages: ${host.platform} has no /dev/kmsg`);
        if (next.logs === undefined) {
          log.warn('Reads nothing: no pipeline of logs takes its records');
          return;
        }
        reader = createReader({
          ...context,
          next: next.logs,
          open: (onReadable) => openKmsg(host.resolve('/dev/kmsg'), onReadable),
          bootId: () => host.readText('/proc/sys/kernel/random/boot_id').trim(),
          clock: createKernelClock(host),
          position: createPositionFile({ path: positionPath(id, config.position_file), parse: parsePosition, log }),
          startAt: config.start_at,
          severity: SYSLOG_SEVERITY_NAMES.indexOf(config.priority),
          scope: receiverScope('kmsg', context.resource),
          ...(context.isEnabled('lag') && { onLag: (lag_s) => metrics.lag.record(lag_s, own) }),
        });
        reader.start();
      },
      async stop() {
        await reader?.stop(STOP_TIMEOUT_MS);
        reader = undefined;
      },
    };
  },
});

function parsePosition(value: unknown): Position | undefined {
  const position = v.safeParse(
    v.object({
      boot: v.string(),
      sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      suspended_s: v.number(),
    }),
    value,
  );
  return position.success ? position.output : undefined;
}
