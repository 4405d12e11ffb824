/** Posts JSON to a URL that is a secret, or not, and lets nothing of it into the words of errors but the host. */
import type { HttpSender } from '../component.ts';
import { messageOf, PermanentError, RefusedError, RetryableError, TooLargeError } from '../errors.ts';

/** @throws {RetryableError} @throws {PermanentError} without path and query of the URL */
export function postJson(sender: HttpSender, url: string, body: unknown, abort: AbortSignal): Promise<void> {
  return postText(sender, url, JSON.stringify(body), 'application/json', abort);
}

/** @throws {RetryableError} @throws {PermanentError} without path and query of the URL */
export async function postText(
  sender: HttpSender,
  url: string,
  text: string,
  contentType: string,
  abort: AbortSignal,
): Promise<void> {
  try {
    await sender.post(url, Buffer.from(text), contentType, abort);
  } catch (error) {
    throw withoutPath(error, url);
  }
}

/** The same error about the host alone; without its cause, which may say more. */
function withoutPath(error: unknown, url: string): Error {
  const { origin, pathname, search, host } = new URL(url);
  let message = messageOf(error).replaceAll(`${origin}${pathname}`, host).replaceAll(url, host);
  for (const part of [pathname + search, pathname, search]) {
    if (part.length > 1) message = message.replaceAll(part, '[REDACTED]');
  }
  if (error instanceof RefusedError) return new RefusedError(message, error.status, new Uint8Array());
  if (error instanceof TooLargeError) return new TooLargeError(message);
  if (error instanceof RetryableError) return new RetryableError(message, { retryAfter_ms: error.retryAfter_ms });
  return error instanceof PermanentError ? new PermanentError(message) : new Error(message);
}

/** @returns what is wrong with a URL that stands in a file */
export function urlProblem(text: string): string | undefined {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? '') ? undefined : 'it is no http:// or https:// URL';
}
