/** Makes one push exporter as the agent would, with the options a user would write. */
import { createBoard } from '../../src/rules/board.ts';
import * as v from 'valibot';
import type { AnyExporterDefinition, PushExporter } from '../../src/component.ts';
import { createHttpSender } from '../../src/delivery/http_sender.ts';
import type { Signal } from '../../src/model/batch.ts';
import { createRecordedLog, type RecordedLog } from './recorded_log.ts';

export interface ExporterRun {
  readonly exporter: PushExporter;
  readonly log: RecordedLog;
  /** Items it dropped, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

export function runExporter(
  definition: AnyExporterDefinition,
  config: Readonly<Record<string, unknown>> = {},
  signals: readonly Signal[] = ['metrics', 'logs', 'traces'],
): ExporterRun {
  const log = createRecordedLog();
  const dropped = new Map<string, number>();
  const exporter = definition.create({
    id: definition.type,
    config: v.parse(definition.config, config),
    signals,
    log,
    drop: (reason, count) => void dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    http: createHttpSender,
    board: createBoard(),
    resource: { attributes: {}, schemaUrl: '' },
    serve: () => Promise.reject(new Error('Cannot listen: this run has no listener')),
    collect: () => Promise.resolve(),
    answered: () => undefined,
    watched: () => undefined,
  });
  return { exporter: exporter as PushExporter, log, dropped };
}
