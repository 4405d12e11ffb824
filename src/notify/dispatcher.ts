/** Hands what the rule engine says of alerts to everybody who is to be told. */
import { metrics } from '@opentelemetry/api';
import type { ComponentLog, CreateHttpSender, HttpClientConfig, HttpSender } from '../component.ts';
import { httpClient } from '../config/http_client.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Resource } from '../model/batch.ts';
import type { Notifier } from '../rules/alert.ts';
import type { Board } from '../rules/board.ts';
import { createAlertmanager } from './alertmanager.ts';
import type { Channel } from './channel.ts';
import { createDirect, type DirectOptions, type Transport } from './direct.ts';
import { createEmail } from './email.ts';
import { publishFigures } from './figures.ts';
import { createLogFile } from './log_file.ts';
import type { NotifiersConfig } from './options.ts';
import { createPagerDuty } from './pagerduty.ts';
import { createSlack } from './slack.ts';
import { createWebhook } from './webhook.ts';

export interface DispatcherOptions {
  /** Of the component, as `metrics/alert_rules`. */
  readonly id: string;
  /** Where the notifiers stand in the configuration, as `processors.alert_rules.notifiers`. */
  readonly path: string;
  /** What `notifierOptions` hold. */
  readonly notifiers: NotifiersConfig;
  readonly http: CreateHttpSender;
  readonly log: ComponentLog;
  /** Whose silences hold. */
  readonly board: Pick<Board, 'silences'>;
  /** Its `host.name` is said in messages. */
  readonly resource: Resource;
}

/** Takes notifications from the moment it is made, and sends them from `start` on. */
export interface Dispatcher extends Notifier {
  start(): void;
  /** Goes on with what the one before a reload told: nobody is told of it again. Before `start`. */
  takeOver(before: Dispatcher): void;
  /** By name and kind, as `oncall slack`. */
  readonly channels: ReadonlyMap<string, Channel>;
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>;
}

/** So long an agent that ends waits for the other sides. */
const STOP_MS = 5000;

/** @throws {ConfigError} a notifier cannot be made so; nothing is loaded or connected to yet */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { id, notifiers, board } = options;
  const channels = new Map(
    Object.entries(notifiers).map(([name, config]) => [name, createChannel(name, config, options)]),
  );
  const byKind = new Map([...channels].map(([name, channel]) => [`${name} ${kindOf(notifiers[name]!)}`, channel]));
  let withdraw: (() => void) | undefined;
  return {
    channels: byKind,
    takeOver(before) {
      for (const [key, { transitions }] of byKind) {
        const earlier = before.channels.get(key)?.transitions;
        if (earlier !== undefined) transitions?.takeOver(earlier);
      }
    },
    notify(notifications, now_ms) {
      for (const channel of channels.values()) channel.notify(notifications, now_ms);
      for (const { alert, ownLabels = alert.labels } of notifications) {
        if (alert.state === 'resolved') board.silences.resolved(ownLabels, now_ms);
      }
    },
    start() {
      if (channels.size === 0) return;
      const figures = new Map([...channels].map(([name, channel]) => [name, channel.figures]));
      withdraw = publishFigures(metrics.getMeter('sonde.notify'), id, figures);
      for (const channel of channels.values()) channel.start();
    },
    async stop() {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), STOP_MS);
      await Promise.all([...channels.values()].map((channel) => channel.stop(deadline.signal)));
      clearTimeout(timer);
      withdraw?.();
    },
  };
}

type NotifierConfig = NotifiersConfig[string];

function createChannel(name: string, config: NotifierConfig, options: DispatcherOptions): Channel {
  const { log, board, http, resource } = options;
  const { silences } = board;
  const origin = { notifier: name, host: String(resource.attributes['host.name'] ?? 'unknown') };
  const { alertmanager, webhook, slack, pagerduty, email, log: file } = config;
  const sender = (given: Partial<HttpClientConfig>): HttpSender =>
    http({ compression: 'none', headers: {}, ...given, retriesServerErrors: true });
  const direct = (direct: DirectOptions['config'], transport: Transport): Channel =>
    createDirect({ name, config: direct, transport, log, silences });
  try {
    if (alertmanager !== undefined) {
      const options = { name, config: alertmanager, sender: sender(httpClient(alertmanager)), log, silences };
      return createAlertmanager(options);
    }
    if (webhook !== undefined) return direct(webhook, createWebhook(webhook, sender(httpClient(webhook)), origin, log));
    if (slack !== undefined)
      return direct(slack, createSlack(slack, sender({ tls: slack.tls, proxy: slack.proxy }), origin));
    if (pagerduty !== undefined)
      return direct(
        pagerduty,
        createPagerDuty(pagerduty, sender({ tls: pagerduty.tls, proxy: pagerduty.proxy }), origin),
      );
    if (email !== undefined) return direct(email, createEmail(email, origin, log));
    // A file is on this machine: nothing is gained by waiting, and no line is one too many.
    return direct({ ...file!, group_wait: 0, timeout: STOP_MS }, createLogFile(file!, origin));
  } catch (error) {
    const path = `${options.path}.${name}.${kindOf(config)}`;
    throw new ConfigError([{ message: `Cannot use the notifier "${name}": ${messageOf(error)}`, path }]);
  }
}

function kindOf(config: NotifierConfig): string {
  return Object.entries(config).find(([, given]) => given !== undefined)![0];
}
