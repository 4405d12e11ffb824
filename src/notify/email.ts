/** Tells people of alerts by mail. The library is loaded with the first one. */
import { createClientCertificates } from '../client_certificates.ts';
import type { ComponentLog } from '../component.ts';
import { isLoopback } from '../config/options.ts';
import { messageOf, PermanentError, RetryableError } from '../errors.ts';
import { createSecret } from '../secret_file.ts';
import { NotLetInError, type Transport } from './direct.ts';
import { emailHtml, emailText } from './email_body.ts';
import { isResolved, severityOrError, titleOf, type Message, type Origin } from './message.ts';
import type { EmailConfig } from './options.ts';

export function createEmail(config: EmailConfig, origin: Origin, log: ComponentLog): Transport {
  const { server, security, username, from, to, timeout } = config;
  const colon = server.lastIndexOf(':');
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(server.slice(colon + 1));
  const password = passwordOf(config);
  if (password !== undefined && security === 'none' && !isLoopback(server)) {
    throw new Error('Cannot use password: security is none, and anybody on the way could read it');
  }
  const material = createClientCertificates(config.tls ?? {});

  async function transporter() {
    const { createTransport } = await import('nodemailer');
    return createTransport({
      host,
      port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      connectionTimeout: timeout,
      greetingTimeout: timeout,
      socketTimeout: timeout,
      dnsTimeout: timeout,
      ...(username !== undefined && password !== undefined && { auth: { user: username, pass: password() } }),
      tls: material(),
      // Nothing that alerts say is a path or a URL to read.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  return {
    place: `email at ${server}`,
    hint: 'check username, password, from and to, and what the server allows',
    async send(message, abort) {
      const mailer = await transporter();
      const giveUp = (): void => mailer.close();
      abort.addEventListener('abort', giveUp);
      try {
        const { rejected } = await orAborted(
          mailer.sendMail({
            from,
            to: [...to],
            subject: titleOf(message, origin),
            text: emailText(message, origin),
            html: emailHtml(message, origin),
            headers: headersOf(message),
          }),
          abort,
        );
        for (const address of rejected) {
          log.once(
            `mail ${String(address)}`,
            `Notifier "${origin.notifier}": ${server} takes no mail for ${String(address)}`,
          );
        }
      } catch (error) {
        throw explain(error, server);
      } finally {
        abort.removeEventListener('abort', giveUp);
        mailer.close();
      }
    },
  };
}

/** @throws {Error} only one of name and password is there, or the file cannot be used */
function passwordOf({ username, password, password_file }: EmailConfig): (() => string) | undefined {
  const isGiven = password !== undefined || password_file !== undefined;
  if (!isGiven && username === undefined) return undefined;
  if (username === undefined) throw new Error('Cannot use password: there is no username');
  return createSecret('password', password, password_file);
}

/** RFC 3834, so that nobody’s absence is answered; and how urgent it is. */
function headersOf(message: Message): Record<string, string> {
  const isUrgent = message.firing.some((each) => !isResolved(each) && severityOrError(each) === 'critical');
  return { 'Auto-Submitted': 'auto-generated', ...(isUrgent && { Importance: 'high', 'X-Priority': '1' }) };
}

async function orAborted<T>(work: Promise<T>, abort: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(new Error('it was given up'));
  if (abort.aborted) giveUp();
  abort.addEventListener('abort', giveUp);
  try {
    return await Promise.race([work, promise]);
  } finally {
    abort.removeEventListener('abort', giveUp);
  }
}

/** RFC 5321, 4.2.1: 4xx may succeed later, 5xx will not. */
function explain(error: unknown, server: string): Error {
  const { code, responseCode = 0 } = error as { readonly code?: string; readonly responseCode?: number };
  const message = `Cannot send to ${server}: ${messageOf(error)}`;
  if (code === 'EAUTH') return new NotLetInError(message, { cause: error });
  // Of what was said before, the connection is at fault, and not the mail.
  const isAboutMail = code === 'EENVELOPE' || code === 'EMESSAGE';
  if (isAboutMail && responseCode >= 500) return new PermanentError(message, { cause: error });
  return new RetryableError(message, { cause: error });
}
