/**
 * A Loki that enforces what its documents and its schema say of a push (HTTP API reference "Ingest logs", limits_config
 * with its defaults, logproto.proto), and answers in its words. What it took can be looked at.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { decodeLogs } from '../../src/model/otlp/decode_logs.ts';
import type { LogBatch } from '../../src/model/batch.ts';
import { uncompress } from 'snappyjs';

const PushRequest = protobuf
  .loadSync(fileURLToPath(new URL('logproto.proto', import.meta.url)))
  .lookupType('logproto.PushRequest');

export interface LokiEntry {
  /** Unix nanoseconds. */
  readonly time: bigint;
  readonly line: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface LokiStream {
  readonly labels: Readonly<Record<string, string>>;
  readonly entries: LokiEntry[];
}

export interface LokiServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** What was stored, by the text of the labels. */
  readonly streams: ReadonlyMap<string, LokiStream>;
  /** What came by OTLP. */
  readonly otlp: LogBatch[];
  /** Answers the next requests instead, in order. */
  readonly answers: { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }[];
  /** Entries that are older are refused; nothing is too old unless set. */
  oldest: bigint;
}

interface LokiServerOptions {
  /** Requests must name this tenant. */
  readonly tenant?: string;
  readonly max_body_bytes?: number;
}

const MAX_LABELS = 15;
const MAX_NAME_BYTES = 1024;
const MAX_VALUE_BYTES = 2048;
const MAX_LINE_BYTES = 256 * 1024;
const MAX_METADATA_BYTES = 64 * 1024;
const MAX_METADATA_ENTRIES = 128;

export async function startLoki({ tenant, max_body_bytes = Infinity }: LokiServerOptions = {}): Promise<LokiServer> {
  const streams = new Map<string, LokiStream>();
  const server = createServer(async (request, response) => {
    const bytes = Buffer.concat(await request.toArray());
    loki.requests.push({ path: request.url!, headers: request.headers });
    const forced = loki.answers.shift();
    if (forced !== undefined) {
      response.writeHead(forced.status, forced.headers).end(forced.body);
      return;
    }
    try {
      if (bytes.length > max_body_bytes) throw new Refusal(413, 'request body too large');
      if (request.method !== 'POST') throw new Refusal(405, 'Method Not Allowed');
      if (tenant !== undefined && request.headers['x-scope-orgid'] !== tenant) throw new Refusal(401, 'no org id');
      if (request.url === '/loki/api/v1/push') store(parsePush(bytes, request.headers));
      else if (request.url === '/otlp/v1/logs') loki.otlp.push(parseOtlp(bytes, request.headers));
      else throw new Refusal(404, '404 page not found');
      response.writeHead(204).end();
    } catch (error) {
      const [status, words] = error instanceof Refusal ? [error.status, error.message] : [400, String(error)];
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${words}\n`);
    }
  });

  /** The good entries of a request are kept even if others are refused. */
  function store(pushed: readonly LokiStream[]): void {
    const errors: string[] = [];
    for (const { labels, entries } of pushed) {
      const name = labelText(labels);
      const problem = checkLabels(name, labels);
      if (problem !== undefined) {
        errors.push(problem);
        continue;
      }
      const stream = streams.get(name) ?? { labels, entries: [] };
      streams.set(name, stream);
      for (const entry of entries) {
        const bad = checkEntry(name, entry, loki.oldest);
        if (bad !== undefined) errors.push(bad);
        else if (!stream.entries.some(({ time, line }) => time === entry.time && line === entry.line)) {
          stream.entries.push(entry);
        }
      }
    }
    if (errors.length === 1) throw new Refusal(400, errors[0]!);
    if (errors.length > 1) throw new Refusal(400, `${errors.length} errors: ${errors.join('; ')}`);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const loki: LokiServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    streams,
    otlp: [],
    answers: [],
    oldest: 0n,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return loki;
}

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function checkLabels(name: string, labels: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(labels);
  if (names.length === 0) return 'error at least one label pair is required per stream';
  const count = names.filter((each) => each !== 'service_name').length;
  if (count > MAX_LABELS) return `entry for stream '${name}' has ${count} label names; limit ${MAX_LABELS}`;
  for (const [key, value] of Object.entries(labels)) {
    if (Buffer.byteLength(key) > MAX_NAME_BYTES) return `stream '${name}' has label name too long: '${key}'`;
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) return `stream '${name}' has label value too long: '${value}'`;
  }
  return undefined;
}

function checkEntry(name: string, { time, line, metadata }: LokiEntry, oldest: bigint): string | undefined {
  const length = Buffer.byteLength(line);
  const pairs = Object.entries(metadata);
  const size = pairs.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (time < oldest) {
    const at = (nanoseconds: bigint) => new Date(Number(nanoseconds / 1_000_000n)).toISOString();
    return `entry for stream '${name}' has timestamp too old: ${at(time)}, oldest acceptable timestamp is: ${at(oldest)}`;
  }
  if (length > MAX_LINE_BYTES) {
    return `Max entry size '${MAX_LINE_BYTES}' bytes exceeded for stream '${name}' while adding an entry with length '${length}' bytes`;
  }
  if (size > MAX_METADATA_BYTES) {
    return `stream '${name}' has structured metadata too large: '${size}' bytes, limit: '${MAX_METADATA_BYTES}' bytes.`;
  }
  if (pairs.length > MAX_METADATA_ENTRIES) {
    return `stream '${name}' has too many structured metadata labels: '${pairs.length}', limit: '${MAX_METADATA_ENTRIES}'.`;
  }
  return undefined;
}

function parsePush(bytes: Buffer, headers: IncomingHttpHeaders): LokiStream[] {
  const encoding = headers['content-encoding'];
  if (headers['content-type'] === 'application/json') {
    if (encoding !== undefined && encoding !== 'gzip')
      throw new Refusal(400, `Content-Encoding "${encoding}" not supported`);
    return parseJson(encoding === 'gzip' ? gunzipSync(bytes) : bytes);
  }
  if (headers['content-type'] !== 'application/x-protobuf') throw new Refusal(415, 'Unsupported Media Type');
  // The body is snappy whether or not the header says so; anything else there is refused.
  if (encoding !== undefined && encoding !== 'snappy')
    throw new Refusal(400, `Content-Encoding "${encoding}" not supported`);
  return parsePushProtobuf(uncompress(bytes));
}

/** An uncompressed protobuf push. */
export function parsePushProtobuf(bytes: Uint8Array): LokiStream[] {
  const decoded = PushRequest.decode(bytes);
  if (!Buffer.from(PushRequest.encode(decoded).finish()).equals(Buffer.from(bytes))) {
    throw new Refusal(400, 'fields that nobody knows, or in an order of their own');
  }
  const { streams = [] } = PushRequest.toObject(decoded, { longs: String }) as {
    streams?: {
      labels: string;
      entries: {
        timestamp: { seconds?: string; nanos?: number };
        line?: string;
        structuredMetadata?: { name: string; value?: string }[];
      }[];
    }[];
  };
  return streams.map(({ labels, entries }) => ({
    labels: parseLabels(labels),
    entries: entries.map(({ timestamp, line = '', structuredMetadata = [] }) => {
      const nanos = timestamp.nanos ?? 0;
      if (nanos < 0 || nanos > 999_999_999) throw new Refusal(400, `nanos ${nanos}`);
      return {
        time: BigInt(timestamp.seconds ?? 0) * 1_000_000_000n + BigInt(nanos),
        line,
        metadata: metadataOf(structuredMetadata.map(({ name, value = '' }) => [name, value])),
      };
    }),
  }));
}

/** A JSON push: nothing but texts, in the form that the API reference shows. */
export function parseJson(bytes: Uint8Array): LokiStream[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  const { streams, ...rest } = JSON.parse(text) as { streams: unknown };
  if (Object.keys(rest).length > 0 || !Array.isArray(streams)) throw new Refusal(400, 'not {"streams": […]}');
  return (streams as { stream: Record<string, string>; values: unknown[][] }[]).map(({ stream, values }) => ({
    labels: Object.fromEntries(Object.entries(stream).map(([name, value]) => [checkName(name), checkText(value)])),
    entries: values.map(([time, line, metadata = {}, ...more]) => {
      if (more.length > 0 || !/^\d+$/.test(checkText(time))) throw new Refusal(400, `not an entry: ${String(time)}`);
      return {
        time: BigInt(time as string),
        line: checkText(line),
        metadata: metadataOf(
          Object.entries(metadata as Record<string, unknown>).map(([name, value]) => [name, checkText(value)]),
        ),
      };
    }),
  }));
}

function metadataOf(pairs: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) throw new Refusal(400, 'structured metadata twice');
  return Object.fromEntries(pairs.map(([name, value]) => [checkName(name), value]));
}

function checkName(name: string): string {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) throw new Refusal(400, `not a name: ${name}`);
  return name;
}

function checkText(value: unknown): string {
  if (typeof value !== 'string' || !value.isWellFormed()) throw new Refusal(400, `not a text: ${String(value)}`);
  return value;
}

/** `{a="b", c="d"}`: names in order, each once, values quoted as in Go. */
function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  if (!text.startsWith('{') || !text.endsWith('}')) throw new Refusal(400, `couldn't parse labels: ${text}`);
  let rest = text.slice(1, -1);
  let last = '';
  while (rest !== '') {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(?:, (?=.)|$)/s.exec(rest);
    if (match === null || match[1]! <= last) throw new Refusal(400, `couldn't parse labels: ${text}`);
    last = match[1]!;
    labels[last] = unquote(match[2]!);
    rest = rest.slice(match[0].length);
  }
  return labels;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' };

function unquote(text: string): string {
  return text.replace(/\\(u[0-9a-f]{4}|.)/gs, (_, escape: string) => {
    if (escape.length === 5) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    const character = ESCAPES[escape];
    if (character === undefined) throw new Refusal(400, `unknown escape \\${escape}`);
    return character;
  });
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels).toSorted();
  return `{${names.map((name) => `${name}=${JSON.stringify(labels[name])}`).join(', ')}}`;
}

function parseOtlp(bytes: Buffer, headers: IncomingHttpHeaders): LogBatch {
  const encoding = headers['content-encoding'];
  if (headers['content-type'] !== 'application/x-protobuf') {
    throw new Refusal(400, `content type: ${headers['content-type']} is not supported`);
  }
  if (encoding !== undefined && encoding !== 'gzip') throw new Refusal(400, `${encoding} compression not supported`);
  return decodeLogs(encoding === 'gzip' ? gunzipSync(bytes) : bytes);
}
