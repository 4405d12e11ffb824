/** Options of everything that talks to NATS: which servers, whom to believe, and who it is itself. */
import * as v from 'valibot';
import { option, optional, required, secret, tlsClient } from '../config/options.ts';
import { subject } from './subject.ts';

const SERVER = /^(nats:\/\/|tls:\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/;

/** Entries for a component's `v.strictObject`; `createNatsClient` takes what they hold. */
export const natsClientOptions = {
  servers: option(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(SERVER, 'an address such as "nats://127.0.0.1:4222"'))),
      v.minLength(1, 'at least one address'),
    ),
    'Servers of the cluster; those that are not listed are learnt from the first that answers. tls:// insists on TLS.',
    ['nats://127.0.0.1:4222'],
  ),
  auth: optional(
    v.strictObject({
      user: optional(
        v.strictObject({
          username: required(v.string(), 'The name.'),
          password: optional(secret(), 'The password.'),
          password_file: optional(v.string(), 'File that holds it instead.'),
        }),
        'Name and password.',
      ),
      token: optional(
        v.strictObject({
          token: optional(secret(), 'The token.'),
          token_file: optional(v.string(), 'File that holds it instead.'),
        }),
        'A token.',
      ),
      nkey: optional(
        v.strictObject({ seed_file: required(v.string(), 'File with the seed of a user key (SU…).') }),
        'A key pair (NKey): the server sends a challenge, and never sees the seed.',
      ),
      credentials: optional(
        v.strictObject({ file: required(v.string(), 'File with a JWT and its seed, as `nsc` writes it.') }),
        'A user’s JWT.',
      ),
    }),
    'How to say who connects: one of user, token, nkey and credentials. Files are read again at each connection.',
  ),
  tls: optional(
    tlsClient(),
    'How to know the server, and to be known by it; without TLS if left out, unless the server has it. The files are read again at each connection.',
  ),
  tls_first: option(
    v.boolean(),
    'Begin with the TLS handshake, for servers with `handshake_first`, which else say who they are before it.',
    false,
  ),
  domain: optional(
    v.pipe(v.string(), v.regex(/^[^\s.*>]+$/, 'the name of a domain')),
    'JetStream domain, for a leaf node whose streams are elsewhere.',
  ),
  inbox_prefix: option(
    subject(),
    'What answers are received under: for users who may not subscribe to _INBOX.>.',
    '_INBOX',
  ),
};

/** What {@link natsClientOptions} hold. */
export type NatsClientConfig = v.InferOutput<v.StrictObjectSchema<typeof natsClientOptions, undefined>>;

/** Name of a stream or a consumer: becomes a part of subjects and of file names (nats-docs, "Naming"). */
export function natsName() {
  return v.pipe(v.string(), v.regex(/^[\w-]{1,255}$/, 'a name of letters, digits, "_" and "-"'));
}
