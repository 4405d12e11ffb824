/** What a client shows to say who it is: header values, read again when the files that hold them change. */
import { readFileSync, statSync } from 'node:fs';
import type { AuthConfig } from './component.ts';
import { messageOf } from './errors.ts';

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
    const password = createSecret('auth.basic.password', basic.password, basic.password_file);
    const value = (): string => Buffer.from(`${basic.username}:${password()}`).toString('base64');
    return () => ({ authorization: `Basic ${value()}` });
  }
  if (bearer !== undefined) {
    const token = createSecret('auth.bearer.token', bearer.token, bearer.token_file);
    return () => ({ authorization: `Bearer ${token()}` });
  }
  const name = header!.name.toLowerCase();
  const value = createSecret('auth.header.value', header!.value, header!.value_file);
  return () => ({ [name]: `${header!.prefix}${value()}` });
}

const NONE: Credentials = {};

/** The secret of an option, or of the file that its `_file` twin names, without white space round it. */
function createSecret(option: string, given: { reveal(): string } | undefined, file: string | undefined): () => string {
  if ((given === undefined) === (file === undefined)) {
    throw new Error(`Cannot use auth: write either ${option} or ${option}_file`);
  }
  if (file === undefined) return () => given!.reveal();
  let state = stateOf(file);
  let secret = readSecret(file);
  return () => {
    const now = stateOf(file);
    if (now === state) return secret;
    try {
      secret = readSecret(file);
      state = now;
    } catch {
      // Being replaced just now: the next request looks again, and until then the old secret serves.
    }
    return secret;
  };
}

function readSecret(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  if (text === '') throw new Error(`Cannot read "${path}": it is empty`);
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new Error(`Cannot use what "${path}" holds: it is no header value`);
  return text;
}

/** Text that changes when the file does. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? '' : `${stat.ino}.${stat.size}.${stat.mtimeNs}`;
}
