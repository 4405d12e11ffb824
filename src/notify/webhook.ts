/** Posts alerts to any HTTP server, in the shape that Alertmanager’s webhooks have. */
import type { ComponentLog, HttpSender } from '../component.ts';
import { messageOf } from '../errors.ts';
import { createSecret } from '../secret_file.ts';
import type { Notification } from '../rules/alert.ts';
import type { Transport } from './direct.ts';
import { fingerprintOf } from './identity.ts';
import { isResolved, type Message, type Origin } from './message.ts';
import { compileMessageTemplate } from './message_template.ts';
import type { WebhookConfig } from './options.ts';
import { postJson, postText, urlProblem } from './post.ts';

export interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

export interface WebhookBody {
  readonly version: '4';
  readonly groupKey: string;
  readonly truncatedAlerts: number;
  readonly status: 'firing' | 'resolved';
  readonly receiver: string;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly commonLabels: Readonly<Record<string, string>>;
  readonly commonAnnotations: Readonly<Record<string, string>>;
  readonly externalURL: string;
  readonly alerts: readonly WebhookAlert[];
  readonly overtaken?: number;
}

/** More is cut, and counted in `truncatedAlerts`. */
const MOST_ALERTS = 1000;

/** @throws {SyntaxError} the template is none */
export function createWebhook(config: WebhookConfig, sender: HttpSender, origin: Origin, log: ComponentLog): Transport {
  const { template, content_type } = config;
  const render = template === undefined ? undefined : compileMessageTemplate(template);
  const url = createSecret('url', config.url, config.url_file, urlProblem);
  return {
    place: `webhook at ${new URL(url()).host}`,
    hint: 'check its url and auth',
    async send(message, abort) {
      const body = webhookBody(message, origin);
      const complaint = `template ${origin.notifier}`;
      let text: string | undefined;
      try {
        text = render?.(body);
        if (render !== undefined) log.over(complaint, `Notifier "${origin.notifier}": its template works again`);
      } catch (error) {
        // An alert must not be lost for its template.
        const instead = 'the body is JSON as without a template';
        log.once(complaint, `Notifier "${origin.notifier}": ${messageOf(error)}; ${instead}`);
      }
      if (text === undefined) await postJson(sender, url(), body, abort);
      else await postText(sender, url(), text, content_type, abort);
    },
    close: () => sender.close(),
  };
}

/** Version 4 of Alertmanager’s webhook; `overtaken` is there where it has something to say. */
export function webhookBody(message: Message, { notifier }: Origin): WebhookBody {
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

function toJson(notification: Notification): WebhookAlert {
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
