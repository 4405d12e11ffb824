/**
 * Tells what there is: the host, its containers and processes, as entity events of the OpenTelemetry specification
 * (specification/entities/entity-events.md, status Development).
 */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option, positiveDuration } from '../../src/config/options.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createOutlet, type Outlet } from '../../src/outlet.ts';
import { createProcesses, type Processes } from './processes.ts';
import { createReporter, type Entity, type Reporter } from './reporter.ts';

const TYPES = ['host', 'container', 'process'] as const;
/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'entities',
  about:
    'Tells what there is, as entity events: the host, its containers and processes, when they come, change and go.',
  signals: ['logs'],
  config: v.strictObject({
    entities: option(v.array(v.picklist(TYPES)), 'Which kinds of entities are told.', [...TYPES]),
    report_interval: option(
      positiveDuration(),
      'How often the state of each is told again, so that receivers can tell that one is gone whose end they missed.',
      '5m',
    ),
    max_entities: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most processes and containers that are followed; those beyond are not told, which is said.',
      20_000,
    ),
    command_line: option(
      v.picklist(['none', 'redacted', 'full']),
      'Whether the arguments of processes are told: not at all, with what looks like a secret replaced, or as they are.',
      'none',
    ),
  }),
  permissions: [
    { needs: 'CAP_SYS_PTRACE', without: 'paths of executables of other users’ processes' },
    { needs: '/etc/machine-id', without: 'the host, and what runs on it, as an entity' },
  ],
  sources: ['/proc/[pid]/stat', '/proc/[pid]/cgroup', '/proc/[pid]/exe', '/proc/[pid]/cmdline'],
  create({ config, host, log, next, drop, resource }) {
    const kinds = new Set(config.entities);
    const hostEntity = describeHost(resource.attributes);
    let outlet: Outlet | undefined;
    let reporter: Reporter | undefined;
    let processes: Processes | undefined;

    return {
      start() {
        if (next.logs === undefined) return log.warn('Tells nothing: no pipeline of logs takes its events');
        if (kinds.has('host') && hostEntity === undefined) {
          log.warn('Cannot tell the host as an entity: it has no host.id, which is read from /etc/machine-id');
        }
        outlet = createOutlet({ next: next.logs, log, drop });
        reporter = createReporter({
          outlet,
          resource,
          scope: receiverScope('entities', resource),
          interval_ms: config.report_interval,
        });
        if (!kinds.has('process') && !kinds.has('container')) return undefined;
        if (host.platform !== 'linux') return log.warn('Tells no processes and containers: they are read from /proc');
        processes = createProcesses({
          host,
          log,
          reporter,
          hostEntity,
          tellsProcesses: kinds.has('process'),
          tellsContainers: kinds.has('container'),
          limit: config.max_entities,
          command_line: config.command_line,
        });
        return undefined;
      },
      collect() {
        // Without room the next collection tells it: what there is, and not each change between.
        if (reporter === undefined || outlet === undefined || outlet.isFull) return;
        const now_ms = performance.now();
        if (kinds.has('host') && hostEntity !== undefined) reporter.keep(hostEntity, now_ms);
        processes?.look(now_ms);
      },
      async stop() {
        processes?.close();
        await outlet?.stop(STOP_TIMEOUT_MS);
        processes = undefined;
        reporter = undefined;
        outlet = undefined;
      },
    };
  },
});

/** Undefined without what identifies it. */
function describeHost(attributes: Attributes): Entity | undefined {
  const id = attributes['host.id'];
  if (typeof id !== 'string' || id === '') return undefined;
  const description = Object.entries(attributes).filter(([key]) => key !== 'host.id' && /^(host|os)\./.test(key));
  return { type: 'host', id: { 'host.id': id }, description: Object.fromEntries(description), relationships: [] };
}
