/** Writes to a channel of Slack by an incoming webhook (api.slack.com/messaging/webhooks), and to what takes the same. */
import type { HttpSender } from '../component.ts';
import { createSecret } from '../secret_file.ts';
import type { Notification } from '../rules/alert.ts';
import type { Transport } from './direct.ts';
import {
  firstOf,
  isResolved,
  labelsText,
  nameOf,
  oneLine,
  overtakenText,
  severityOrError,
  shorten,
  sinceText,
  stateOf,
  summaryOf,
  titleOf,
  valueText,
  type Message,
  type Origin,
} from './message.ts';
import type { SlackConfig } from './options.ts';
import { postJson, urlProblem } from './post.ts';
import type { Severity } from './severity.ts';

/** Slack shows up to 20 attachments well, and refuses over 100. */
const MOST_ALERTS = 20;
/** Of one text; Slack cuts at 3000. */
const MOST_CHARACTERS = 2500;

const COLORS: Readonly<Record<Severity, string>> = {
  info: '#439fe0',
  warning: '#daa038',
  error: '#e01e5a',
  critical: '#a30200',
};
const RESOLVED_COLOR = '#2eb886';

export function createSlack(config: SlackConfig, sender: HttpSender, origin: Origin): Transport {
  const url = createSecret('webhook_url', config.webhook_url, config.webhook_url_file, urlProblem);
  return {
    place: `slack at ${new URL(url()).host}`,
    hint: 'check webhook_url, which Slack withdraws with its app',
    send: (message, abort) => postJson(sender, url(), slackBody(message, origin), abort),
    close: () => sender.close(),
  };
}

export function slackBody(message: Message, origin: Origin): unknown {
  const { shown, rest } = firstOf(message, MOST_ALERTS);
  const remark = [rest, overtakenText(message)].filter((text) => text !== '').join(' ');
  return {
    text: escape(titleOf(message, origin)),
    attachments: [
      ...shown.map((notification) => attachment(notification, origin)),
      ...(remark === '' ? [] : [{ color: '#808080', text: remark, fallback: remark }]),
    ],
  };
}

function attachment(notification: Notification, { host }: Origin): unknown {
  const { alert, startsAt_ms } = notification;
  const { annotations, generatorURL } = alert;
  const state = stateOf(notification);
  const summary = summaryOf(notification);
  const description = annotations.get('description');
  const runbook = annotations.get('runbook_url') ?? '';
  const field = (title: string, value: string, short = true): unknown => ({
    title,
    value: escape(shorten(value, MOST_CHARACTERS)),
    short,
  });
  return {
    color: isResolved(notification) ? RESOLVED_COLOR : COLORS[severityOrError(notification)],
    fallback: escape(shorten(`[${state}] ${nameOf(notification)}: ${summary}`, MOST_CHARACTERS)),
    title: escape(oneLine(`[${state}] ${nameOf(notification)}`, 200)),
    ...(/^https?:\/\//.test(generatorURL) && { title_link: generatorURL }),
    text: escape(
      shorten(
        description === undefined || description === summary ? summary : `${summary}\n${description}`,
        MOST_CHARACTERS,
      ),
    ),
    fields: [
      field('Severity', alert.labels.get('severity') ?? 'none given'),
      field('Host', host),
      field('Since', sinceText(notification)),
      field('Value', valueText(notification)),
      field('Labels', labelsText(notification) || 'none', false),
      ...(runbook === '' ? [] : [field('Runbook', runbook, false)]),
    ],
    ts: Math.floor(startsAt_ms / 1000),
  };
}

/** api.slack.com/reference/surfaces/formatting: these three, or labels could write to `<!channel>`. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
