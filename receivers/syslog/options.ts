/** What users write about where syslog messages come from. */
import { BlockList, isIP } from 'node:net';
import * as v from 'valibot';
import { hostPort, isLoopback, option, optional, positiveDuration, size, tlsServer } from '../../src/config/options.ts';
import { lagProbeEntries } from '../../src/lag_probe.ts';
import { whatIsWrongWithLocation } from '../../src/logs/time/zone.ts';

const SOURCE = 'an address or a network such as "10.0.0.0/8"';
const MODE = 'permissions such as "0660"';

const unixSocket = (about: string) =>
  optional(
    v.strictObject({
      path: option(
        v.pipe(v.string('a path'), v.startsWith('/', 'an absolute path')),
        'The socket.',
        '/run/sonde/syslog',
      ),
      mode: option(
        v.pipe(v.string(MODE), v.regex(/^0?[0-7]{3}$/, MODE)),
        'Its permissions: who may write to it may send.',
        '0660',
      ),
    }),
    about,
  );

const insecure = (danger: string) => option(v.boolean(), `Listen for other machines${danger}.`, false);

export const syslogEntries = {
  udp: optional(
    v.strictObject({
      endpoint: option(hostPort(), 'Where it listens.', '127.0.0.1:5514'),
      insecure: insecure(': UDP has no encryption, and anyone can send under any name'),
      receive_buffer: optional(
        size(),
        'Bytes that the kernel keeps while the agent is busy, as far as net.core.rmem_max allows; what the kernel gives by itself if left out.',
      ),
    }),
    'Listen for datagrams.',
  ),
  tcp: optional(
    v.strictObject({
      endpoint: option(hostPort(), 'Where it listens.', '127.0.0.1:5514'),
      tls: optional(tlsServer(), 'Listen with TLS. The files are read again when they change.'),
      insecure: insecure(' without TLS; anyone who reaches the port can send'),
      max_connections: option(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Further ones are refused.', 1000),
      idle_timeout: option(positiveDuration(), 'A connection that is silent for so long is closed.', '1h'),
    }),
    'Listen for connections; whether messages have their length before them or end with a line feed is seen from the first.',
  ),
  unix_datagram: unixSocket('Listen on a unix datagram socket, as /dev/log is one.'),
  unix_stream: unixSocket('Listen on a unix stream socket.'),
  location: option(
    v.pipe(
      v.string('a location such as "Europe/Berlin"'),
      v.check(
        (text) => whatIsWrongWithLocation(text) === undefined,
        'Local, UTC, an offset such as +02:00, or a time zone such as "Europe/Berlin"',
      ),
    ),
    'Where times without a zone are: Local, UTC, an offset such as +02:00, or a time zone such as Europe/Berlin.',
    'Local',
  ),
  max_message_bytes: option(
    v.pipe(size(), v.minValue(480, 'at least 480'), v.maxValue(2 ** 24, 'at most 16MiB')),
    'Of a longer message the beginning is kept.',
    '64KiB',
  ),
  allowed_sources: option(
    v.array(
      v.pipe(
        v.string(SOURCE),
        v.check((text) => parseSource(text) !== undefined, SOURCE),
      ),
    ),
    'Addresses and networks that may send; all that can reach a listener if there is none.',
    [],
  ),
  ...lagProbeEntries,
};

export type SyslogConfig = v.InferOutput<v.StrictObjectSchema<typeof syslogEntries, undefined>>;

interface Source {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** `10.0.0.0/8`; an address alone is a network of one. */
export function parseSource(text: string): Source | undefined {
  const [, address = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0 || address.includes('%')) return undefined;
  const most = version === 4 ? 32 : 128;
  const bits = digits === undefined ? most : Number(digits);
  return bits > most ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

export function createAllowedSources(sources: readonly string[]): BlockList | undefined {
  if (sources.length === 0) return undefined;
  const list = new BlockList();
  for (const source of sources) {
    const { address, bits, family } = parseSource(source)!;
    list.addSubnet(address, bits, family);
  }
  return list;
}

/** @throws {Error} it would listen for other machines without anyone having said so */
export function checkExposure(endpoint: string, isProtected: boolean, isAccepted: boolean, hint: string): void {
  if (isLoopback(endpoint) || isProtected || isAccepted) return;
  throw new Error(`Cannot listen on ${endpoint}: other machines could send and read, and without TLS (${hint})`);
}

/** `[::1]:514` → `::1` and 514. */
export function splitEndpoint(endpoint: string): { readonly host: string; readonly port: number } {
  const colon = endpoint.lastIndexOf(':');
  const port = Number(endpoint.slice(colon + 1));
  if (port > 65_535) throw new RangeError(`Cannot listen on ${endpoint}: ports end at 65535`);
  return { host: endpoint.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port };
}
