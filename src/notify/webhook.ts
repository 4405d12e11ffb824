/** Posts alerts to any HTTP server, in the shape that Alertmanager’s webhooks have. */
import type { HttpSender } from '../component.ts';
import { createSecret } from '../secret_file.ts';
import type { Notification } from '../rules/alert.ts';
import type { Transport } from './direct.ts';
import { fingerprintOf } from './identity.ts';
import { isResolved, type Message, type Origin } from './message.ts';
import type { WebhookConfig } from './options.ts';
import { postJson, urlProblem } from './post.ts';

/** More is cut, and counted in `truncatedAlerts`. */
const MOST_ALERTS = 1000;

export function createWebhook(config: WebhookConfig, sender: HttpSender, origin: Origin): Transport {
  const url = createSecret('url', config.url, config.url_file, urlProblem);
  return {
    place: `webhook at ${new URL(url()).host}`,
    hint: 'check its url and auth',
    send: (message, abort) => postJson(sender, url(), webhookBody(message, origin), abort),
    close: () => sender.close(),
  };
}

/** Version 4 of Alertmanager’s webhook; `overtaken` is there where it has something to say. */
export function webhookBody(message: Message, { notifier }: Origin): unknown {
  const { firing, resolved, overtaken } = message;
  const all = [...firing, ...resolved];
  const shown = all.slice(0, MOST_ALERTS);
  return {
    version: '4',
    groupKey: '{}:{}',
    truncatedAlerts: all.length - shown.length,
    status: firing.length > 0 ? 'firing' : 'resolved',
    receiver: notifier,
    groupLabels: {},
    commonLabels: common(all.map(({ alert }) => alert.labels)),
    commonAnnotations: common(all.map(({ alert }) => alert.annotations)),
    externalURL: '',
    alerts: shown.map(toJson),
    ...(overtaken > 0 && { overtaken }),
  };
}

function toJson(notification: Notification): unknown {
  const { alert, startsAt_ms, endsAt_ms } = notification;
  return {
    status: isResolved(notification) ? 'resolved' : 'firing',
    labels: Object.fromEntries(alert.labels),
    annotations: Object.fromEntries(alert.annotations),
    startsAt: new Date(startsAt_ms).toISOString(),
    // Go’s zero time: nobody knows yet.
    endsAt: isResolved(notification) ? new Date(endsAt_ms).toISOString() : '0001-01-01T00:00:00Z',
    generatorURL: alert.generatorURL,
    fingerprint: fingerprintOf(alert.labels),
  };
}

/** What all have with the same value. */
function common(maps: readonly ReadonlyMap<string, string>[]): Record<string, string> {
  const [first, ...others] = maps;
  const entries = [...(first ?? [])].filter(([name, value]) => others.every((other) => other.get(name) === value));
  return Object.fromEntries(entries);
}
