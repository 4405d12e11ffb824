/** What alert rules and anomaly detection find, as log records. */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option } from '../../src/config/options.ts';
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { eventRecord } from '../../src/model/event_record.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createOutlet, type Outlet } from '../../src/outlet.ts';
import type { Finding } from '../../src/rules/board.ts';
import { createNameFilter, globs } from '../../src/text/name_filter.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'alerts',
  about:
    'What alert rules (processor alert_rules) and anomaly detection (processor anomaly) find in other pipelines of this agent, as log records.',
  signals: ['logs'],
  config: v.strictObject({
    events: option(globs(), 'Names of the events that are told, as globs, such as alert.*; all if there is none.', []),
    min_severity_number: option(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(24)),
      'Only events of at least this severity: 9 is INFO, 13 WARN, 17 ERROR, 21 FATAL.',
      1,
    ),
  }),
  create({ config, next, log, drop, board, resource }) {
    const isMeant = createNameFilter(config.events, []);
    const scope = receiverScope('alerts', resource);
    let outlet: Outlet | undefined;
    let unlisten: (() => void) | undefined;
    return {
      start() {
        if (next.logs === undefined) return;
        const created = createOutlet({ next: next.logs, log, drop });
        outlet = created;
        unlisten = board.listen((finding) => {
          if (!isMeant(finding.eventName) || finding.severityNumber < config.min_severity_number) return;
          if (created.isFull) {
            drop('queue_full', 1);
            log.once('full', 'The pipelines stand still: events are dropped and counted');
            return;
          }
          log.over('full', 'The pipelines have room for events again');
          created.push(recordOf(finding, resource, scope));
        });
      },
      async stop() {
        unlisten?.();
        await outlet?.stop(STOP_TIMEOUT_MS);
      },
    };
  },
});

function recordOf({ time_ms, ...finding }: Finding, resource: Resource, scope: Scope): LogRecord {
  return eventRecord({
    ...finding,
    resource,
    scope,
    time: BigInt(Math.round(time_ms)) * 1_000_000n,
    observedTime: BigInt(Date.now()) * 1_000_000n,
  });
}
