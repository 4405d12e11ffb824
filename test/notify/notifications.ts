/** Alerts as the rule engine hands them over, for the tests of those who are told. */
import * as v from 'valibot';
import type { CreateHttpSender } from '../../src/component.ts';
import { createHttpSender } from '../../src/delivery/http_sender.ts';
import { createDispatcher, type Dispatcher } from '../../src/notify/dispatcher.ts';
import { notifierOptions } from '../../src/notify/options.ts';
import type { Alert, Notification } from '../../src/rules/alert.ts';
import { createBoard, type Board } from '../../src/rules/board.ts';
import type { Labels } from '../../src/store/queryable.ts';
import { createRecordedLog, type RecordedLog } from '../support/recorded_log.ts';

export interface AlertOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly value?: number;
  readonly startsAt_ms?: number;
  readonly endsAt_ms?: number;
  readonly generatorURL?: string;
}

export function labelsOf(labels: Readonly<Record<string, string>>): Labels {
  return new Map(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function alertOf(state: Alert['state'], options: AlertOptions = {}): Alert {
  const { labels = {}, annotations = {}, value = 1, startsAt_ms = Date.now(), endsAt_ms, generatorURL = '' } = options;
  return {
    labels: labelsOf({ alertname: 'DiskFull', ...labels }),
    annotations: new Map(Object.entries(annotations)),
    state,
    value,
    activeAt_ms: startsAt_ms,
    firedAt_ms: state === 'pending' ? undefined : startsAt_ms,
    resolvedAt_ms: state === 'resolved' ? endsAt_ms : undefined,
    group: 'host',
    rule: labels['alertname'] ?? 'DiskFull',
    generatorURL,
  };
}

export function firing(options: AlertOptions = {}): Notification {
  const { startsAt_ms = Date.now(), endsAt_ms = Date.now() + 240_000 } = options;
  return { alert: alertOf('firing', { ...options, startsAt_ms, endsAt_ms }), startsAt_ms, endsAt_ms };
}

export function resolved(options: AlertOptions = {}): Notification {
  const { startsAt_ms = Date.now() - 60_000, endsAt_ms = Date.now() } = options;
  return { alert: alertOf('resolved', { ...options, startsAt_ms, endsAt_ms }), startsAt_ms, endsAt_ms };
}

export interface Made {
  readonly dispatcher: Dispatcher;
  readonly board: Board;
  readonly log: RecordedLog;
  tell(...notifications: readonly Notification[]): void;
}

/** Made of what a user would write; to be started. */
export function makeDispatcher(notifiers: unknown, http: CreateHttpSender = createHttpSender): Made {
  const board = createBoard();
  const log = createRecordedLog();
  const dispatcher = createDispatcher({
    id: 'metrics/alert_rules',
    path: 'processors.alert_rules.notifiers',
    notifiers: v.parse(notifierOptions, notifiers),
    http,
    log,
    board,
    resource: { attributes: { 'host.name': 'db1' }, schemaUrl: '' },
  });
  return { dispatcher, board, log, tell: (...notifications) => dispatcher.notify(notifications, Date.now()) };
}
