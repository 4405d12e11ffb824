/** Says to a server who connects. */
import type { Authenticator } from '@nats-io/transport-node';
import { createSecret, createSecretFile } from '../secret_file.ts';
import type { NatsClientConfig } from './options.ts';

type Nats = Pick<
  typeof import('@nats-io/transport-node'),
  'credsAuthenticator' | 'nkeyAuthenticator' | 'nkeys' | 'tokenAuthenticator' | 'usernamePasswordAuthenticator'
>;

/** @throws {Error} it names not exactly one way */
export function checkAuthentication(auth: NatsClientConfig['auth']): void {
  if (auth === undefined) return;
  const ways = Object.values(auth).filter((way) => way !== undefined).length;
  if (ways !== 1)
    throw new Error(`Cannot use auth: it names ${ways} of user, token, nkey and credentials, and takes one`);
}

/**
 * The library ends a connection for good where an authenticator throws: so what a file holds is checked when it is read,
 * and where it can be used no longer, what it held before is shown.
 * @throws {Error} a file cannot be used now; never with a secret in its words
 */
export function createAuthenticator(nats: Nats, auth: NatsClientConfig['auth']): Authenticator | undefined {
  if (auth?.user !== undefined) {
    const { username, password, password_file } = auth.user;
    return nats.usernamePasswordAuthenticator(username, createSecret('auth.user.password', password, password_file));
  }
  if (auth?.token !== undefined) {
    const { token, token_file } = auth.token;
    return nats.tokenAuthenticator(createSecret('auth.token.token', token, token_file));
  }
  if (auth?.nkey !== undefined) {
    const seed = createSecretFile(auth.nkey.seed_file, (text) => problemOfSeed(nats, text));
    return nats.nkeyAuthenticator(() => Buffer.from(seed()));
  }
  if (auth?.credentials !== undefined) {
    const file = createSecretFile(auth.credentials.file, (text) => problemOfCredentials(nats, text));
    // The library wants a line feed behind the last line.
    return nats.credsAuthenticator(() => Buffer.from(`${file()}\n`));
  }
  return undefined;
}

function problemOfSeed(nats: Nats, text: string): string | undefined {
  try {
    return nats.nkeys.fromSeed(Buffer.from(text)).getPublicKey().startsWith('U')
      ? undefined
      : 'it is not the seed of a user (SU…)';
  } catch {
    // Its words might hold the seed.
    return 'it is no seed of a key';
  }
}

/** `-----BEGIN NATS USER JWT-----`, the JWT, an end line, then the same with `USER NKEY SEED`. */
function problemOfCredentials(nats: Nats, text: string): string | undefined {
  const blocks = [...text.matchAll(/-{3,}BEGIN [^\n]*-{3,}\s*\n\s*(\S+)\s*\n\s*-{3,}END [^\n]*-{3,}/g)];
  if (blocks.length !== 2) return 'it has not the two parts of credentials, a JWT and a seed';
  return problemOfSeed(nats, blocks[1][1]);
}
