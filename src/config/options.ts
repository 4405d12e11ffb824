/**
 * The words in which a component states its options: valibot schemas, every one with a description and a default,
 * from which documentation, `configs/reference.yaml` and the JSON Schema are generated.
 */
import * as v from 'valibot';

/** An option as users write it: `option(duration(), 'How long …', '10s')`. Without a default it must be given. */
export function option<S extends v.GenericSchema>(schema: S, about: string, byDefault: v.InferInput<S>) {
  return v.pipe(v.optional(schema, byDefault as never), v.description(about));
}

/** An option that may be left out and then is `undefined`. */
export function optional<S extends v.GenericSchema>(schema: S, about: string) {
  return v.pipe(v.optional(schema), v.description(about));
}

/** An option that has no default: leaving it out is an error. */
export function required<S extends v.GenericSchema>(schema: S, about: string) {
  return v.pipe(schema, v.description(about));
}

const DURATION_UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `'1m30s'` → milliseconds; `undefined` where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total_ms = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    total_ms += Number(number) * DURATION_UNITS_MS[unit!]!;
  }
  return total_ms;
}

/** A length of time, as `15s`, `1m30s` or `250ms`; milliseconds in the program. */
export function duration() {
  return v.pipe(
    v.string('a duration such as "10s", "1m30s" or "250ms"'),
    v.check((text) => parseDuration(text) !== undefined, 'a duration such as "10s", "1m30s" or "250ms"'),
    v.transform((text) => parseDuration(text)!),
    v.metadata({ format: 'duration' }),
  );
}

/** A {@link duration} of which 0 makes no sense, as an interval. */
export function positiveDuration() {
  return v.pipe(
    duration(),
    v.check((time_ms) => time_ms > 0, 'a duration longer than 0'),
  );
}

const SIZE_UNITS: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `'64MiB'` → bytes; `undefined` where the text is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB|TiB)$/.exec(text);
  return match === null ? undefined : Math.floor(Number(match[1]) * SIZE_UNITS[match[2]!]!);
}

/** A number of bytes, as `64MiB`, `500kB` or a plain number; bytes in the program. */
export function size() {
  return v.pipe(
    v.union([v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))], 'a size such as "64MiB" or "500kB"'),
    v.check(
      (value) => typeof value === 'number' || parseSize(value) !== undefined,
      'a size such as "64MiB" or "500kB"',
    ),
    v.transform((value) => (typeof value === 'number' ? value : parseSize(value)!)),
    v.metadata({ format: 'size' }),
  );
}

/** A value that no output ever shows. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself: call it where it is used, never where it is kept. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[REDACTED]';
  }
  toJSON(): string {
    return '[REDACTED]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[REDACTED]';
  }
}

/** A password, token or header value: a {@link Secret} in the program. */
export function secret() {
  return v.pipe(
    v.string('a text'),
    v.transform((text) => new Secret(text)),
    v.metadata({ format: 'secret' }),
  );
}

/** `host:port` to listen on or to connect to. */
export function hostPort() {
  return v.pipe(
    v.string('host:port such as "127.0.0.1:9464"'),
    v.regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):\d{1,5}$/, 'host:port such as "127.0.0.1:9464"'),
    v.metadata({ format: 'host:port' }),
  );
}

/** Whether only this machine can reach a `host:port`: 127.0.0.0/8, ::1 or localhost. */
export function isLoopback(endpoint: string): boolean {
  const host = endpoint
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  if (host === '::1' || host === '0:0:0:0:0:0:0:1') return true;
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Whether a peer's address, as a socket tells it, is this machine's. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '');
}

/** How a client proves a server's identity, and its own. */
export function tlsClient() {
  return v.strictObject({
    ca_file: optional(v.string(), 'PEM file with the authorities to trust instead of those that Node.js knows.'),
    cert_file: optional(v.string(), 'PEM file with the certificate to show to the server.'),
    key_file: optional(v.string(), 'PEM file with its private key.'),
    server_name: optional(
      v.string(),
      'The name that the certificate of the server must be for; that of the endpoint if left out.',
    ),
    insecure_skip_verify: optional(v.boolean(), 'Believe any server: for tests only.'),
  });
}

/** The certificate of a listener. */
export function tlsServer() {
  return v.strictObject({
    cert_file: required(v.string(), 'PEM file with the certificate and what leads to its root.'),
    key_file: required(v.string(), 'PEM file with its private key.'),
    client_ca_file: optional(
      v.string(),
      'PEM file: clients must show a certificate signed by one of these authorities.',
    ),
  });
}
