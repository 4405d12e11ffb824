/** What each kind of notifier sends, against the shapes that its service documents, on loopback. */
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as v from 'valibot';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMessage } from '../../src/notify/message.ts';
import { notifierOptions } from '../../src/notify/options.ts';
import { slackBody } from '../../src/notify/slack.ts';
import { webhookBody } from '../../src/notify/webhook.ts';
import { startHttpBackEnd, type HttpBackEnd } from '../support/http_back_end.ts';
import { firing, makeDispatcher, resolved, type Made } from './notifications.ts';

const startsAt_ms = Date.UTC(2026, 0, 31, 12);
const endsAt_ms = startsAt_ms + 600_000;
const origin = { notifier: 'ops', host: 'db1' };
const annotations = { summary: 'Disk <sda> & co', runbook_url: 'https://runbooks.test/disk' };
const disk = {
  labels: { device: 'sda', severity: 'critical' },
  annotations,
  startsAt_ms,
  endsAt_ms,
  value: 97.123456789,
};

async function start(
  notifier: (url: string) => unknown,
): Promise<Made & { readonly backEnd: HttpBackEnd; bodies(): unknown[] }> {
  const backEnd = await startHttpBackEnd();
  const made = makeDispatcher({ ops: notifier(backEnd.url) });
  made.dispatcher.start();
  onTestFinished(async () => {
    await made.dispatcher.stop();
    await backEnd[Symbol.asyncDispose]();
  });
  return { ...made, backEnd, bodies: () => backEnd.requests.map(({ body }) => JSON.parse(body.toString()) as unknown) };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sonde-notify-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('webhookBody has the shape of an Alertmanager’s webhook', () => {
  const message = createMessage([resolved({ labels: { device: 'sdb' }, startsAt_ms, endsAt_ms }), firing(disk)], 0);
  expect(webhookBody(message, origin)).toEqual({
    version: '4',
    groupKey: '{}:{}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'ops',
    groupLabels: {},
    commonLabels: { alertname: 'DiskFull' },
    commonAnnotations: {},
    externalURL: '',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'DiskFull', device: 'sda', severity: 'critical' },
        annotations,
        startsAt: '2026-01-31T12:00:00.000Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: '',
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      },
      {
        status: 'resolved',
        labels: { alertname: 'DiskFull', device: 'sdb' },
        annotations: {},
        startsAt: '2026-01-31T12:00:00.000Z',
        endsAt: '2026-01-31T12:10:00.000Z',
        generatorURL: '',
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      },
    ],
  });
});

describe('slack', () => {
  test('slackBody is readable, coloured by severity, and lets no alert write markup', () => {
    expect(slackBody(createMessage([firing(disk)], 2), origin)).toEqual({
      text: '[FIRING:1] DiskFull on db1',
      attachments: [
        {
          color: '#a30200',
          fallback: '[FIRING] DiskFull: Disk &lt;sda&gt; &amp; co',
          title: '[FIRING] DiskFull',
          text: 'Disk &lt;sda&gt; &amp; co',
          fields: [
            { title: 'Severity', value: 'critical', short: true },
            { title: 'Host', value: 'db1', short: true },
            { title: 'Since', value: '2026-01-31 12:00:00 UTC', short: true },
            { title: 'Value', value: '97.1235', short: true },
            { title: 'Labels', value: 'device="sda", severity="critical"', short: false },
            { title: 'Runbook', value: 'https://runbooks.test/disk', short: false },
          ],
          ts: startsAt_ms / 1000,
        },
        {
          color: '#808080',
          text: '2 changes before could not be told in time; the states here are the latest.',
          fallback: '2 changes before could not be told in time; the states here are the latest.',
        },
      ],
    });
    const over = slackBody(createMessage([resolved(disk)], 0), origin) as { attachments: { color: string }[] };
    expect(over).toMatchObject({ text: '[RESOLVED:1] DiskFull on db1', attachments: [{ color: '#2eb886' }] });
  });

  test('slackBody shows the worst of many, and counts the rest', () => {
    const many = Array.from({ length: 30 }, (_, index) => firing({ labels: { index: String(index) } }));
    const body = slackBody(createMessage([...many, resolved(), firing(disk)], 0), origin) as {
      attachments: { text: string; color: string }[];
    };
    expect(body.attachments).toHaveLength(21);
    expect(body.attachments[0]!.color).toBe('#a30200');
    expect(body.attachments[20]!.text).toBe('And 11 firing, 1 resolved.');
  });

  test('its URL may stand in a file, is read again when that changes, and is in no log line', async () => {
    const file = join(folder(), 'url');
    const { tell, backEnd, log } = await start((url) => {
      writeFileSync(file, `${url}/services/T0/B0/first\n`);
      return { slack: { webhook_url_file: file, group_wait: '0' } };
    });
    backEnd.answer = ({ path }, response) =>
      void response.writeHead(path.endsWith('first') ? 403 : 200).end('invalid_token');
    tell(firing());
    await expect.poll(() => log.lines.length).toBe(1);
    expect(log.lines[0]!.message).toMatch(/403: invalid_token; check webhook_url.*tried again$/);
    expect(inspect(log.lines, { depth: 9 })).not.toMatch(/first|T0|B0/);
    writeFileSync(file, `${backEnd.url}/services/T0/B0/second\n`);
    tell(resolved());
    await expect.poll(() => backEnd.requests.at(-1)!.path).toBe('/services/T0/B0/second');
  });
});

test('pagerduty triggers and resolves one incident with the same key, and is told each alert by itself', async () => {
  const { tell, bodies, backEnd } = await start((url) => ({
    pagerduty: { routing_key: 'R0UT1NG', url: `${url}/v2/enqueue`, group_wait: '0' },
  }));
  backEnd.answer = (_, response) => void response.writeHead(202).end('{"status":"success"}');
  tell(firing(disk), firing({ labels: { device: 'sdb', severity: 'odd' }, startsAt_ms, value: NaN }));
  await expect.poll(bodies).toHaveLength(2);
  tell(resolved(disk));
  await expect.poll(bodies).toHaveLength(3);
  const [first, second, third] = bodies() as { dedup_key: string; payload: object }[];
  expect(first).toEqual({
    routing_key: 'R0UT1NG',
    event_action: 'trigger',
    dedup_key: expect.stringMatching(/^sonde-[0-9a-f]{64}$/),
    client: 'Sonde',
    links: [{ href: 'https://runbooks.test/disk', text: 'Runbook' }],
    payload: {
      summary: 'DiskFull: Disk <sda> & co',
      source: 'db1',
      severity: 'critical',
      timestamp: '2026-01-31T12:00:00.000Z',
      class: 'DiskFull',
      group: 'host',
      custom_details: {
        labels: { alertname: 'DiskFull', device: 'sda', severity: 'critical' },
        annotations,
        value: 97.123456789,
      },
    },
  });
  expect(second!.payload).toMatchObject({ severity: 'error', custom_details: { value: 'NaN' } });
  expect(third).toEqual({ routing_key: 'R0UT1NG', event_action: 'resolve', dedup_key: first!.dedup_key });
  expect(second!.dedup_key).not.toBe(first!.dedup_key);
});

describe('log', () => {
  test('writes a line for each transition, that its owner alone can read, and does not outgrow its bounds', async () => {
    const path = join(folder(), 'below/alerts.jsonl');
    const { tell } = await start(() => ({ log: { path, max_bytes: 1000, max_files: 3 } }));
    const texts = (): string[] => {
      const names = readdirSync(join(path, '..')).toSorted().toReversed();
      return names.flatMap((name) =>
        readFileSync(join(path, '..', name), 'utf8')
          .split('\n')
          .slice(0, -1),
      );
    };
    tell(firing(disk));
    await expect.poll(() => statSync(path, { throwIfNoEntry: false })?.size ?? 0).toBeGreaterThan(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(texts()[0]!)).toEqual({
      time: '2026-01-31T12:00:00.000Z',
      state: 'firing',
      host: 'db1',
      labels: { alertname: 'DiskFull', device: 'sda', severity: 'critical' },
      annotations,
      value: 97.123456789,
      startsAt: '2026-01-31T12:00:00.000Z',
      group: 'host',
      rule: 'DiskFull',
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    for (let index = 1; index <= 12; index++) {
      tell(firing({ labels: { index: String(index) } }));
      await expect.poll(() => texts().at(-1)).toContain(`"index":"${index}"`);
    }
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['alerts.jsonl', 'alerts.jsonl.1', 'alerts.jsonl.2']);
    for (const name of readdirSync(join(path, '..'))) {
      expect(statSync(join(path, '..', name)).size).toBeLessThanOrEqual(1000);
    }
    for (const line of texts()) JSON.parse(line);
  });

  test('tries again where it cannot write', async () => {
    const below = join(folder(), 'below');
    writeFileSync(below, 'no folder');
    const { tell, log } = await start(() => ({ log: { path: join(below, 'alerts.jsonl') } }));
    tell(firing(disk));
    await expect.poll(() => log.lines.length).toBe(1);
    expect(log.lines[0]!.message).toContain(`(log in ${below}/alerts.jsonl) does not get through: Cannot write`);
    rmSync(below);
    await expect
      .poll(() => statSync(join(below, 'alerts.jsonl'), { throwIfNoEntry: false })?.size ?? 0)
      .toBeGreaterThan(0);
    chmodSync(below, 0o755);
  });
});

describe('notifierOptions', () => {
  test.each([
    [{ a: {} }, 'exactly one of'],
    [{ a: { log: { path: 'x' }, slack: { webhook_url: 'http://x/y' } } }, 'exactly one of'],
    [{ a: { slack: { webhook_url: 'nonsense' } } }, 'an http:// or https:// URL'],
    [{ a: { alertmanager: { endpoints: [] } } }, 'at least one URL'],
    [{ a: { log: { path: 'x', matchers: ['a=~"("'] } } }, 'a matcher such as'],
    [{ a: { email: { server: 'x:25', from: 'a@b', to: ['a@b\r\nBcc: c@d'] } } }, 'an address such as'],
    [{ a: { pager: {} } }, ''],
  ])('refuses %j', (config, words) => {
    const { issues = [] } = v.safeParse(notifierOptions, config);
    expect(issues.map(({ message }) => message).join()).toContain(words);
    expect(issues).not.toEqual([]);
  });

  test.each([
    [{ slack: {} }, 'write either webhook_url or webhook_url_file'],
    [{ pagerduty: { routing_key: 'x', routing_key_file: 'y' } }, 'write either routing_key or routing_key_file'],
    [{ webhook: { url_file: '/nonexistent' } }, 'Cannot read "/nonexistent"'],
    [
      { email: { server: 'mail.test:25', security: 'none', username: 'u', password: 'p', from: 'a@b', to: ['c@d'] } },
      'anybody on the way',
    ],
    [{ email: { server: 'mail.test:25', password: 'p', from: 'a@b', to: ['c@d'] } }, 'there is no username'],
  ])('createDispatcher refuses %j, and names the notifier', (notifier, words) => {
    const make = (): unknown => makeDispatcher({ ops: notifier });
    expect(make).toThrow(words);
    expect(make).toThrow('Cannot use the notifier "ops": ');
  });
});

describe('template', () => {
  test('makes the body of a web hook from what Alertmanager’s templates know', async () => {
    const template =
      '{"text": {{ printf "%s: %d" .Status (len .Alerts) | toJson }}, "all": [' +
      '{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.device | toJson }}{{ end }}], ' +
      '"common": {{ toJson .CommonLabels }}, "over": {{ len .Resolved }}, "by": "{{ .Receiver }}"}';
    const { tell, bodies, backEnd } = await start((url) => ({ webhook: { url, template, group_wait: '0' } }));
    tell(firing({ labels: { device: 's"da' } }), firing({ labels: { device: 'sdb' } }));
    await expect
      .poll(bodies)
      .toEqual([{ text: 'firing: 2', all: ['s"da', 'sdb'], common: { alertname: 'DiskFull' }, over: 0, by: 'ops' }]);
    expect(backEnd.requests[0]!.headers['content-type']).toBe('application/json');
  });

  test('that fails loses no alert, and is named', async () => {
    for (const template of [
      '{{ .Nothing }}',
      '{{ range .Alerts }}{{ range $.Alerts }}{{ query "up" }}{{ end }}{{ end }}',
    ]) {
      const { tell, bodies, log } = await start((url) => ({ webhook: { url, template, group_wait: '0' } }));
      tell(firing(disk));
      await expect.poll(bodies).toMatchObject([{ version: '4', alerts: [{ status: 'firing' }] }]);
      expect(log.lines.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^Notifier "ops": template: line 1.*; the body is JSON/),
      ]);
    }
  });

  test('that never ends is stopped within its limits', async () => {
    const template = '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}';
    const { tell, bodies } = await start((url) => ({ webhook: { url, template, group_wait: '0' } }));
    tell(firing(disk));
    await expect.poll(bodies).toMatchObject([{ version: '4' }]);
  });

  test('with an error in it is refused before anything starts', () => {
    expect(() => makeDispatcher({ ops: { webhook: { url: 'http://127.0.0.1:1', template: '{{ if }}' } } })).toThrow(
      'Cannot use the notifier "ops": Cannot read the template: ',
    );
  });
});
