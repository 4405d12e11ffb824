import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { emailHtml, emailText } from '../../src/notify/email_body.ts';
import { createMessage } from '../../src/notify/message.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { firing, makeDispatcher, resolved, type Made } from './notifications.ts';
import { startSmtpServer, type SmtpServer } from './smtp_server.ts';

let certificates: Certificates;
beforeAll(() => {
  certificates = createCertificates();
});
afterAll(() => certificates.remove());

function start(server: SmtpServer, config: Readonly<Record<string, unknown>>): Made {
  const from = 'Sonde <sonde@example.com>';
  const made = makeDispatcher({
    mail: {
      email: {
        server: `127.0.0.1:${server.port}`,
        from,
        to: ['ops@example.com', 'dev@example.com'],
        group_wait: '0',
        ...config,
      },
    },
  });
  made.dispatcher.start();
  onTestFinished(() => made.dispatcher.stop());
  return made;
}

const startsAt_ms = Date.UTC(2026, 0, 31, 12);
const about = {
  labels: { device: 'sda', severity: 'critical' },
  annotations: {
    summary: '<script>alert("é 😀")</script>\r\nBcc: someone@example.com',
    runbook_url: 'https://runbooks.test/a?b&c',
  },
  startsAt_ms,
  endsAt_ms: startsAt_ms + 3_600_000,
};
const origin = { notifier: 'mail', host: 'db1' };

test('a mail goes by STARTTLS with a login, to all, as text and HTML, and nothing in an alert becomes a header', async () => {
  const server = await startSmtpServer({ tls: certificates.server, password: 's3cret' });
  const { tell } = start(server, { username: 'sonde', password: 's3cret', tls: { ca_file: certificates.ca } });
  tell(firing({ ...about, labels: { ...about.labels, alertname: 'Disk\r\nBcc: other@example.com' } }));
  await expect.poll(() => server.mails.length).toBe(1);
  const [mail] = server.mails;
  expect(mail).toMatchObject({
    from: 'sonde@example.com',
    to: ['ops@example.com', 'dev@example.com'],
    isEncrypted: true,
    login: 'sonde:s3cret',
  });
  expect(server.commands.findIndex((line) => line.startsWith('AUTH'))).toBeGreaterThan(
    server.commands.indexOf('STARTTLS'),
  );
  const [head, ...body] = mail!.data.split('\r\n\r\n');
  expect(head).toMatch(/^Subject: \[FIRING:1\] Disk Bcc: other@example\.com on db1$/m);
  expect(head).not.toMatch(/^Bcc:/m);
  expect(head).toMatch(/^Auto-Submitted: auto-generated$/m);
  expect(head).toMatch(/^X-Priority: 1/m);
  expect(head).toMatch(/multipart\/alternative/);
  const [text, html] = body.join('\n').split('Content-Type: text/html');
  expect(text).toContain('<script>');
  expect(html).not.toContain('<script>');
});

test('a mail is not sent to a server that offers no STARTTLS, and is where security: none says so', async () => {
  const server = await startSmtpServer();
  const { tell, log } = start(server, {});
  tell(firing(about));
  await expect.poll(() => log.lines.length).toBe(1);
  expect(log.lines[0]!.message).toMatch(
    /^Notifier "mail" \(email at 127\.0\.0\.1:\d+\) does not get through: .*STARTTLS/,
  );
  expect(server.mails).toEqual([]);
  const plain = start(server, { security: 'none' });
  plain.tell(firing(about));
  await expect.poll(() => server.mails.length).toBe(1);
  expect(server.mails[0]!.isEncrypted).toBe(false);
});

test('a certificate of an authority that nobody knows is not believed', async () => {
  const server = await startSmtpServer({ tls: certificates.server });
  const { tell, log } = start(server, {});
  tell(firing(about));
  await expect.poll(() => log.lines.length).toBe(1);
  expect(log.lines[0]!.message).toMatch(/certificate/);
  expect(server.mails).toEqual([]);
});

test('a wrong password is said without the password, and tried again; a refused mail is dropped', async () => {
  const server = await startSmtpServer({ password: 'right' });
  const { tell, log } = start(server, { security: 'none', username: 'sonde', password: 'wr0ng' });
  tell(firing(about));
  await expect.poll(() => log.lines.length).toBe(1);
  expect(log.lines[0]!.message).toMatch(/535.*check username, password.*tried again$/);
  expect(JSON.stringify(log.lines)).not.toContain('wr0ng');
  const refusing = await startSmtpServer();
  refusing.answers.set('RCPT', '550 no such user');
  const other = start(refusing, { security: 'none' });
  other.tell(firing(about));
  await expect.poll(() => other.log.lines.length).toBe(1);
  expect(other.log.lines[0]!.message).toMatch(/is refused: .*550/);
});

test('a mail that the server takes for some alone is sent to these, and the others are named', async () => {
  const server = await startSmtpServer();
  server.answers.set('RCPT TO:<DEV@', '550 no such user');
  const { tell, log } = start(server, { security: 'none' });
  tell(firing(about));
  await expect.poll(() => server.mails.length).toBe(1);
  expect(server.mails[0]!.to).toEqual(['ops@example.com']);
  await expect
    .poll(() => log.lines.map(({ message }) => message).join())
    .toContain('takes no mail for dev@example.com');
});

test('a mail that the server takes later is sent again', async () => {
  const server = await startSmtpServer();
  server.answers.set('.', '451 try later');
  const { tell, log } = start(server, { security: 'none' });
  tell(firing(about));
  await expect.poll(() => log.lines.length).toBe(1);
  server.answers.clear();
  await expect.poll(() => server.mails.length).toBe(2);
});

describe('bodies', () => {
  const message = createMessage([firing(about), resolved({ ...about, labels: { device: 'sdb' } })], 1);

  test('emailText says all of each alert', () => {
    const text = emailText(message, origin);
    expect(text).toContain('[FIRING] DiskFull\n  Summary: <script>');
    expect(text).toContain('  Labels: device="sda", severity="critical"');
    expect(text).toContain('  Since: 2026-01-31 12:00:00 UTC\n');
    expect(text).toContain('[RESOLVED] DiskFull');
    expect(text).toContain('  Since: 2026-01-31 12:00:00 UTC, for 60 min');
    expect(text).toContain('1 change before could not be told');
  });

  test('emailHtml escapes what alerts say, and links addresses alone', () => {
    const html = emailHtml(message, origin);
    expect(html).not.toContain('<script>');
    expect(html).toContain('&lt;script&gt;alert(&quot;é 😀&quot;)&lt;/script&gt;');
    expect(html).toContain('<a href="https://runbooks.test/a?b&amp;c">https://runbooks.test/a?b&amp;c</a>');
  });
});
