/** What users write of notifiers: a name, and below it exactly one way to be told of alerts. */
import * as v from 'valibot';
import { httpClientOptions } from '../config/http_client.ts';
import { duration, hostPort, option, optional, positiveDuration, required, secret, size } from '../config/options.ts';
import { parseMatcher } from './matchers.ts';
import { SEVERITIES } from './severity.ts';

const httpUrl = () => v.pipe(v.string(), v.regex(/^https?:\/\/[^\s/?#]+\S*$/, 'an http:// or https:// URL'));

/** URLs of web hooks are passwords: who knows one can write there. */
const secretUrl = () =>
  v.pipe(
    secret(),
    v.check((url) => /^https?:\/\/[^\s/?#]+\S*$/.test(url.reveal()), 'an http:// or https:// URL'),
  );

const matcherText = () =>
  v.pipe(
    v.string('a matcher such as severity="critical" or instance=~"db.*"'),
    v.check(isMatcher, 'a matcher such as severity="critical" or instance=~"db.*"'),
  );

function isMatcher(text: string): boolean {
  try {
    parseMatcher(text);
    return true;
  } catch {
    // What is wrong is said by the check, with an example.
    return false;
  }
}

/** Which alerts a notifier is for. */
const filterOptions = {
  min_severity: optional(
    v.picklist(SEVERITIES),
    'Only alerts whose label severity says at least this; those without one, or with a word of its own, are sent too.',
  ),
  matchers: option(v.array(matcherText()), 'Only alerts whose labels match all of these.', []),
};

/** Of notifiers that speak to people without an Alertmanager between. */
const transitionOptions = {
  ...filterOptions,
  send_resolved: option(v.boolean(), 'Whether to tell when an alert is over, too.', true),
  repeat: optional(positiveDuration(), 'How often an alert is told again while it fires; only once if left out.'),
};

const directOptions = {
  ...transitionOptions,
  group_wait: option(duration(), 'How long to wait for further alerts, which then go in one message.', '1s'),
  rate_limit: option(
    v.strictObject({
      messages: option(
        v.pipe(v.number(), v.integer(), v.minValue(1)),
        'Most messages in the time that `per` says.',
        10,
      ),
      per: option(
        positiveDuration(),
        'The time that `messages` counts in; what is over it waits and goes in one message.',
        '1m',
      ),
    }),
    'How many messages may be sent.',
    {},
  ),
  timeout: option(positiveDuration(), 'An attempt that takes longer is given up and made again.', '10s'),
};

const { tls, proxy } = httpClientOptions;

const alertmanager = v.strictObject({
  endpoints: required(
    v.pipe(v.array(httpUrl()), v.minLength(1, 'at least one URL')),
    'Where Alertmanagers are, as http://127.0.0.1:9093: replicas, which all are sent everything; /api/v2/alerts is appended unless it is there already.',
  ),
  ...filterOptions,
  send_silenced: option(
    v.boolean(),
    'Whether alerts that are silenced here are sent, too: Alertmanager has silences of its own.',
    true,
  ),
  timeout: option(positiveDuration(), 'A request that takes longer is given up.', '10s'),
  queue_capacity: option(
    v.pipe(v.number(), v.integer(), v.minValue(1)),
    'Most alerts that wait for each endpoint; the oldest make room, and are counted.',
    10_000,
  ),
  batch_size: option(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Most alerts in a request.', 256),
  ...httpClientOptions,
});

const webhook = v.strictObject({
  url: optional(secretUrl(), 'Where to post to; never shown, for whoever knows it can write there.'),
  url_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
  template: optional(
    v.pipe(v.string(), v.minLength(1, 'a Go template')),
    'Go template of the body instead of JSON in the shape of Alertmanager’s webhook: .Status, .Alerts, .CommonLabels and so on, and the functions of Prometheus’s templates and toJson.',
  ),
  content_type: option(
    v.pipe(v.string(), v.regex(/^[\x21-\x7e]+\/[\x20-\x7e]+$/, 'a media type such as text/plain')),
    'Media type of what the template makes.',
    'application/json',
  ),
  ...directOptions,
  ...httpClientOptions,
});

const slack = v.strictObject({
  webhook_url: optional(secretUrl(), 'URL of an incoming webhook; never shown.'),
  webhook_url_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
  ...directOptions,
  tls,
  proxy,
});

const pagerduty = v.strictObject({
  routing_key: optional(secret(), 'Integration key of a service with “Events API V2”.'),
  routing_key_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
  url: option(httpUrl(), 'Where events are taken.', 'https://events.pagerduty.com/v2/enqueue'),
  ...directOptions,
  tls,
  proxy,
});

const mailAddress = () =>
  v.pipe(v.string(), v.regex(/^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/, 'an address such as ops@example.com'));

const email = v.strictObject({
  server: required(hostPort(), 'The mail server, as smtp.example.com:587.'),
  security: option(
    v.picklist(['starttls', 'tls', 'none']),
    'starttls: plain at first and encrypted before anything is said, as on port 587; tls: from the start, as on port 465; none: for a server on this machine.',
    'starttls',
  ),
  username: optional(v.string(), 'Who logs in; nobody does if left out.'),
  password: optional(secret(), 'The password.'),
  password_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
  from: required(mailAddress(), 'Address of the sender.'),
  to: required(
    v.pipe(v.array(mailAddress()), v.minLength(1, 'at least one address')),
    'Addresses of those who are told.',
  ),
  ...directOptions,
  tls,
});

const log = v.strictObject({
  path: required(
    v.pipe(v.string(), v.minLength(1, 'a path')),
    'The file, which gets a line of JSON for each transition.',
  ),
  max_bytes: option(size(), 'A file that would grow beyond this is set aside, as PATH.1.', '10MiB'),
  max_files: option(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)),
    'Most files, with the one being written.',
    5,
  ),
  ...transitionOptions,
});

const KINDS = {
  alertmanager: optional(alertmanager, 'Alertmanager, by its API v2.'),
  webhook: optional(webhook, 'Any HTTP server: a POST with JSON in the shape of Alertmanager’s webhook.'),
  slack: optional(slack, 'A channel of Slack, or of what takes its incoming webhooks.'),
  pagerduty: optional(pagerduty, 'PagerDuty, by its Events API v2.'),
  email: optional(email, 'Mail by SMTP.'),
  log: optional(log, 'A file on this machine.'),
};

const kinds = Object.keys(KINDS).join(', ');

const notifier = v.pipe(
  v.strictObject(KINDS),
  v.check((given) => Object.values(given).filter((kind) => kind !== undefined).length === 1, `exactly one of ${kinds}`),
);

/** For the key `notifiers` of a component’s config. */
export const notifierOptions = option(
  v.record(v.pipe(v.string(), v.minLength(1)), notifier),
  `Who is told of alerts, by a name of your choice: each exactly one of ${kinds}.`,
  {},
);

export type NotifiersConfig = v.InferOutput<typeof notifierOptions>;
export type AlertmanagerConfig = v.InferOutput<typeof alertmanager>;
export type WebhookConfig = v.InferOutput<typeof webhook>;
export type SlackConfig = v.InferOutput<typeof slack>;
export type PagerDutyConfig = v.InferOutput<typeof pagerduty>;
export type EmailConfig = v.InferOutput<typeof email>;
export type LogFileConfig = v.InferOutput<typeof log>;
export type FilterConfig = Pick<AlertmanagerConfig, keyof typeof filterOptions>;
export type TransitionConfig = Pick<LogFileConfig, keyof typeof transitionOptions>;
export type DirectConfig = Pick<WebhookConfig, keyof typeof directOptions>;
