/** What a client shows to say who it is: header values, read again when the files that hold them change. */
import type { AuthConfig } from './component.ts';
import { createSecret } from './secret_file.ts';

/** One header; its name in lower case. */
export type Credentials = Readonly<Record<string, string>>;

/**
 * @returns a function that gives the header of now: where a file has changed, with what it holds; where it cannot be
 * read, with what it held before
 * @throws {Error} a file cannot be read now, or not exactly one way is configured; never with a secret in its words
 */
export function createCredentials(auth: AuthConfig | undefined): () => Credentials {
  if (auth === undefined) return () => NONE;
  const { basic, bearer, header } = auth;
  const ways = [basic, bearer, header].filter((way) => way !== undefined).length;
  if (ways !== 1) throw new Error(`Cannot use auth: it names ${ways} of basic, bearer and header, and takes one`);
  if (basic !== undefined) {
    const { username } = basic;
    // RFC 7617, 2: the first colon ends the name.
    if (username.includes(':')) throw new Error('Cannot use auth.basic.username: it holds a colon');
    const password = createSecret('auth.basic.password', basic.password, basic.password_file);
    const value = (): string => Buffer.from(`${username}:${password()}`).toString('base64');
    return () => ({ authorization: `Basic ${value()}` });
  }
  if (bearer !== undefined) {
    const token = createHeaderSecret('auth.bearer.token', bearer.token, bearer.token_file);
    return () => ({ authorization: `Bearer ${token()}` });
  }
  const name = header!.name.toLowerCase();
  const value = createHeaderSecret('auth.header.value', header!.value, header!.value_file);
  return () => ({ [name]: `${header!.prefix}${value()}` });
}

const NONE: Credentials = {};

const createHeaderSecret: typeof createSecret = (option, given, file) =>
  createSecret(option, given, file, (text) =>
    /[^\t\x20-\x7e\x80-\xff]/.test(text) ? 'it is no header value' : undefined,
  );
