/** Options of every exporter that talks HTTP: who it is, whom it believes, and which way it goes. */
import * as v from 'valibot';
import type { HttpClientConfig } from '../component.ts';
import { option, optional, required, secret, tlsClient } from './options.ts';

/** Exactly one of the three ways; files are read again when they change. */
export function auth() {
  return v.strictObject({
    basic: optional(
      v.strictObject({
        username: required(v.string(), 'The name.'),
        password: optional(secret(), 'The password.'),
        password_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
      }),
      'Name and password (RFC 7617).',
    ),
    bearer: optional(
      v.strictObject({
        token: optional(secret(), 'The token.'),
        token_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
      }),
      'A token (RFC 6750).',
    ),
    header: optional(
      v.strictObject({
        name: required(v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'the name of a header')), 'As X-API-Key.'),
        value: optional(secret(), 'What it says.'),
        value_file: optional(v.string(), 'File that holds it instead; read again when it changes.'),
        prefix: option(v.string(), 'Put before the value, as "Token ".', ''),
      }),
      'A header of the back end’s own.',
    ),
  });
}

/** Entries for an exporter's `v.strictObject`; `create` hands what they hold to `context.http` by {@link httpClient}. */
export const httpClientOptions = {
  headers: option(v.record(v.string(), secret()), 'Headers of every request.', {}),
  auth: optional(auth(), 'How to say who sends: one of basic, bearer and header.'),
  tls: optional(
    tlsClient(),
    'How to know the server, and to be known by it. The files are read again when they change.',
  ),
  proxy: optional(
    v.pipe(v.string(), v.regex(/^(https?:\/\/\S+|none)$/, 'an http:// or https:// URL, or none')),
    'Proxy to go through, or none; what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say if left out.',
  ),
};

/** What {@link httpClientOptions} hold, as `context.http` takes it; `own` are the exporter’s headers, which `headers` overrides. */
export function httpClient(
  config: v.InferOutput<v.StrictObjectSchema<typeof httpClientOptions, undefined>>,
  own: Readonly<Record<string, string>> = {},
): HttpClientConfig {
  const given = Object.entries(config.headers).map(([name, value]) => [name, value.reveal()]);
  return {
    headers: { ...own, ...Object.fromEntries(given) },
    auth: config.auth,
    tls: config.tls,
    proxy: config.proxy,
  };
}
