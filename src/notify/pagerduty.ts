/** Raises and resolves incidents of PagerDuty by its Events API v2 (developer.pagerduty.com/docs/events-api-v2). */
import type { HttpSender } from '../component.ts';
import { createSecret } from '../secret_file.ts';
import type { Notification } from '../rules/alert.ts';
import type { Transport } from './direct.ts';
import { incidentKeyOf } from './identity.ts';
import { isResolved, nameOf, oneLine, severityOrError, summaryOf, type Origin } from './message.ts';
import type { PagerDutyConfig } from './options.ts';
import { postJson } from './post.ts';

export function createPagerDuty(config: PagerDutyConfig, sender: HttpSender, origin: Origin): Transport {
  const key = createSecret('routing_key', config.routing_key, config.routing_key_file);
  return {
    place: `pagerduty at ${new URL(config.url).host}`,
    hint: 'check routing_key: it is that of an integration “Events API V2”',
    isPerAlert: true,
    async send({ firing, resolved }, abort) {
      for (const notification of [...firing, ...resolved]) {
        await postJson(sender, config.url, pagerDutyBody(notification, key(), origin), abort);
      }
    },
    close: () => sender.close(),
  };
}

/** PagerDuty refuses a longer summary. */
const MOST_SUMMARY = 1024;

export function pagerDutyBody(notification: Notification, routingKey: string, { host }: Origin): unknown {
  const { alert, startsAt_ms } = notification;
  const event = {
    routing_key: routingKey,
    event_action: isResolved(notification) ? 'resolve' : 'trigger',
    dedup_key: incidentKeyOf(host, alert.labels),
  };
  if (isResolved(notification)) return event;
  const { annotations, generatorURL } = alert;
  const runbook = annotations.get('runbook_url') ?? '';
  return {
    ...event,
    client: 'Sonde',
    ...(/^https?:\/\//.test(generatorURL) && { client_url: generatorURL }),
    ...(/^https?:\/\//.test(runbook) && { links: [{ href: runbook, text: 'Runbook' }] }),
    payload: {
      summary: oneLine(`${nameOf(notification)}: ${summaryOf(notification)}`, MOST_SUMMARY),
      source: host,
      severity: severityOrError(notification),
      timestamp: new Date(startsAt_ms).toISOString(),
      class: nameOf(notification),
      group: alert.group,
      custom_details: {
        labels: Object.fromEntries(alert.labels),
        annotations: Object.fromEntries(annotations),
        // JSON has no NaN.
        value: Number.isFinite(alert.value) ? alert.value : String(alert.value),
      },
    },
  };
}
