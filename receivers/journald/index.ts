/** Reads the systemd journal through journalctl(1), from where it was left. What becomes of each field: docs/receivers/journald.md. */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { createPassiveLag, LAG_METRIC } from '../../src/lag_probe.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createFollow, type Follow } from './follow.ts';
import { journaldEntries } from './options.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'journald',
  about: 'Reads the systemd journal, every field of it, and goes on after a restart where it was.',
  signals: ['metrics', 'logs'],
  config: v.strictObject(journaldEntries),
  metrics: {
    records: {
      name: 'journald.records',
      instrument: 'counter',
      unit: '{record}',
      about: 'Entries that were read from the journal.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    bytes: {
      name: 'journald.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes of the fields that were read.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    malformed: {
      name: 'journald.malformed',
      instrument: 'counter',
      unit: '{line}',
      about: 'Lines of journalctl that were no field of an entry.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    dropped: {
      name: 'journald.dropped',
      instrument: 'counter',
      unit: '{field}',
      about: 'Fields that were cut or left out, by which limit.',
      attributes: ['journald.drop.reason'],
      since: 'agent',
      source: 'sonde',
    },
    restarts: {
      name: 'journald.restarts',
      instrument: 'counter',
      unit: '{restart}',
      about: 'How often journalctl was started again.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    lag: LAG_METRIC,
  },
  permissions: [{ needs: 'group systemd-journal', without: 'messages of the system and of other users' }],
  sources: ['/var/log/journal', '/run/log/journal'],
  create(context) {
    const { config, host, metrics, log, next } = context;
    const fieldLimit = { 'journald.drop.reason': 'field_too_large' };
    const recordLimit = { 'journald.drop.reason': 'record_too_large' };
    let follow: Follow | undefined;

    return {
      collect(observer) {
        if (follow === undefined) return;
        const { figures } = follow;
        observer.observe(metrics.records, figures.records);
        observer.observe(metrics.bytes, figures.bytes);
        observer.observe(metrics.malformed, figures.malformed);
        observer.observe(metrics.dropped, figures.truncatedFields, fieldLimit);
        observer.observe(metrics.dropped, figures.droppedFields, recordLimit);
        observer.observe(metrics.restarts, figures.restarts);
      },
      async start() {
        if (next.logs === undefined) {
          log.warn('Reads nothing: no pipeline of logs takes its records');
          return;
        }
        const scope = receiverScope('journald', context.resource);
        // Files in a folder may be another machine's, by its clock.
        const hasLag = config.directory === undefined && context.isEnabled('lag');
        const lag = hasLag ? createPassiveLag({ lag: metrics.lag, id: context.id }) : undefined;
        follow = createFollow({ ...context, config, scope, rootPath: host.rootPath, next: next.logs, lag });
        await follow.start();
      },
      async stop() {
        await follow?.stop(STOP_TIMEOUT_MS);
        follow = undefined;
      },
    };
  },
});
