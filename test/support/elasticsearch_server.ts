/**
 * An Elasticsearch that enforces what its documents say of bulk requests, data streams, ids, time series and field names
 * ("Bulk index or delete documents", "Set up a data stream", "Time series data stream", "Mapping"), and answers in its
 * words. What it stored can be looked at.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** What JSON.parse makes of it, but integers beyond 2^53 are bigints. */
type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

export interface StoredDocument {
  readonly index: string;
  readonly id: string | undefined;
  /** As it came. */
  readonly text: string;
  readonly source: { readonly [key: string]: Json };
  readonly dynamicTemplates: Readonly<Record<string, string>>;
}

export interface ElasticsearchServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: {
    readonly path: string;
    readonly params: URLSearchParams;
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
  }[];
  readonly documents: StoredDocument[];
  /** Answers the next requests instead, in order. */
  readonly answers: { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }[];
  /** What becomes of a document, unless nothing stands against it. */
  judge: (
    source: StoredDocument['source'],
    attempt: number,
  ) => { status: number; type: string; reason: string } | undefined;
}

interface Options {
  /** Requests must come with it. */
  readonly apiKey?: string;
  readonly max_body_bytes?: number;
  readonly pipelines?: readonly string[];
}

class Refusal extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, type: string, reason: string) {
    super(reason);
    this.status = status;
    this.type = type;
  }
}

const illegal = (reason: string) => new Refusal(400, 'illegal_argument_exception', reason);
const unparsable = (reason: string) => new Refusal(400, 'document_parsing_exception', reason);

export async function startElasticsearch(options: Options = {}): Promise<ElasticsearchServer> {
  const { apiKey, max_body_bytes = Infinity, pipelines = [] } = options;
  /** By index and id, or by the dimensions and time of a time series. */
  const identities = new Set<string>();
  /** Type of each field of an index. */
  const mappings = new Map<string, string>();
  const attempts = new Map<string, number>();

  const server = createServer(async (request, response) => {
    const bytes = Buffer.concat(await request.toArray());
    const url = new URL(request.url!, 'http://host');
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
    elasticsearch.requests.push({
      path: url.pathname,
      params: url.searchParams,
      headers: request.headers,
      body: body.toString(),
    });
    const forced = elasticsearch.answers.shift();
    if (forced !== undefined) {
      response.writeHead(forced.status, forced.headers).end(forced.body);
      return;
    }
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    try {
      if (body.length > max_body_bytes) return void response.writeHead(413).end();
      if (apiKey !== undefined && request.headers.authorization !== `ApiKey ${apiKey}`) {
        throw new Refusal(401, 'security_exception', 'missing authentication credentials for REST request [/_bulk]');
      }
      reply(200, bulk(url, request.headers, body));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply(error.status, { error: { type: error.type, reason: error.message }, status: error.status });
    }
  });

  function bulk(url: URL, headers: IncomingHttpHeaders, body: Buffer): unknown {
    if (url.pathname !== '/_bulk') throw illegal(`no handler found for uri [${url.pathname}] and method [POST]`);
    if (headers['content-type'] !== 'application/x-ndjson') {
      throw new Refusal(406, 'media_type_header_exception', 'Content-Type header is not supported');
    }
    for (const name of url.searchParams.keys()) {
      if (!['filter_path', 'pipeline', 'require_data_stream'].includes(name)) {
        throw illegal(`request [/_bulk] contains unrecognized parameter: [${name}]`);
      }
    }
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    if (!text.endsWith('\n')) throw illegal('The bulk request must be terminated by a newline [\\n]');
    const lines = text.slice(0, -1).split('\n');
    if (lines.length % 2 !== 0) throw illegal('an action without a document');
    const items = [];
    for (let at = 0; at < lines.length; at += 2) items.push({ create: create(lines[at]!, lines[at + 1]!, url) });
    const errors = items.some(({ create: { status } }) => status > 299);
    return { errors, items };
  }

  function create(actionLine: string, text: string, url: URL): { status: number; error?: unknown } {
    const action = parse(actionLine) as { create?: Record<string, Json> };
    if (Object.keys(action).join() !== 'create') throw illegal(`Malformed action/metadata line: ${actionLine}`);
    const { _index: index, _id: id, dynamic_templates: templates = {}, ...rest } = action.create!;
    if (Object.keys(rest).length > 0) throw illegal(`Action/metadata line contains an unknown parameter`);
    try {
      checkIndex(index as string, url.searchParams.get('require_data_stream') === 'true');
      const pipeline = url.searchParams.get('pipeline');
      if (pipeline !== null && !pipelines.includes(pipeline))
        throw illegal(`pipeline with id [${pipeline}] does not exist`);
      const source = parse(text) as StoredDocument['source'];
      const document: StoredDocument = {
        index: index as string,
        id: id as string | undefined,
        text,
        source,
        dynamicTemplates: templates as Record<string, string>,
      };
      const attempt = (attempts.get(text) ?? 0) + 1;
      attempts.set(text, attempt);
      const verdict = elasticsearch.judge(source, attempt);
      if (verdict !== undefined) throw new Refusal(verdict.status, verdict.type, verdict.reason);
      store(document);
      return { status: 201 };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.status, error: { type: error.type, reason: error.message } };
    }
  }

  function store(document: StoredDocument): void {
    const { index, id, source, dynamicTemplates } = document;
    const time = source['@timestamp'];
    if (
      typeof time !== 'string' ||
      !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(time) ||
      Number.isNaN(Date.parse(time))
    ) {
      throw unparsable(`failed to parse field [@timestamp]: ${String(time)}`);
    }
    const stream = /^(logs|metrics)-([^-]+)-(.+)$/.exec(index);
    if (source.data_stream !== undefined) {
      const [, type, dataset, namespace] = stream ?? [];
      if (JSON.stringify(source.data_stream) !== JSON.stringify({ type, dataset, namespace })) {
        throw unparsable(
          '[constant_keyword] field [data_stream.dataset] only accepts values that are equal to the value defined',
        );
      }
    }
    const fields = new Map<string, string>();
    const isOtel = stream?.[2]?.endsWith('.otel') ?? false;
    flatten(source, '', fields, isOtel ? OTEL_OBJECTS : []);
    for (const [field, type] of fields) {
      const template = Object.hasOwn(dynamicTemplates, field) ? dynamicTemplates[field] : undefined;
      if (template !== undefined && !TEMPLATES.has(template))
        throw illegal(`Can't find dynamic template for dynamic template name [${template}] of field [${field}]`);
      const mapped = mappings.get(`${index} ${field}`);
      if (mapped !== undefined && !isCompatible(mapped, type))
        throw unparsable(`failed to parse field [${field}] of type [${mapped}]`);
      if (mapped === undefined) mappings.set(`${index} ${field}`, type);
    }
    checkConflicts(fields);
    checkHistograms(source);
    if (isOtel && stream![1] === 'metrics') {
      if (id !== undefined)
        throw illegal(
          '_id must be unset or set to a value that is made from the dimensions: [index] is in time_series mode',
        );
      const dimensions = [
        source.attributes,
        source.resource,
        source.scope,
        source.unit,
        source._metric_names_hash,
        time,
      ];
      identify(
        `${index} ${JSON.stringify(dimensions, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}`,
      );
    } else if (id !== undefined) identify(`${index} ${id}`);
    elasticsearch.documents.push(document);
  }

  function identify(identity: string): void {
    if (identities.has(identity)) {
      throw new Refusal(
        409,
        'version_conflict_engine_exception',
        'version conflict, document already exists (current version [1])',
      );
    }
    identities.add(identity);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const elasticsearch: ElasticsearchServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    documents: [],
    answers: [],
    judge: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return elasticsearch;
}

const TEMPLATES = new Set(['counter_long', 'counter_double', 'gauge_long', 'gauge_double', 'histogram', 'summary']);

function checkIndex(index: string, mustBeDataStream: boolean): void {
  if (/[\\/*?"<>| ,#:A-Z]|^[-_+]/.test(index) || Buffer.byteLength(index) > 255) {
    throw new Refusal(400, 'invalid_index_name_exception', `Invalid index name [${index}]`);
  }
  if (mustBeDataStream && !/^(logs|metrics)-[^-]{1,100}-.{1,100}$/.test(index)) {
    throw new Refusal(
      404,
      'index_not_found_exception',
      `no such index [${index}] and [require_data_stream] request is [true]`,
    );
  }
}

/** Objects whose members are fields of dotted names and no objects: `subobjects: false`, `passthrough`, `flattened`. */
const OTEL_OBJECTS = ['attributes', 'resource.attributes', 'scope.attributes', 'metrics', 'body.structured'];

/** Collects the type of every field; arrays count by their elements. */
function flatten(value: Json, path: string, into: Map<string, string>, opaque: readonly string[]): void {
  if (value === null) return;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) flatten(item, path, into, opaque);
    return;
  }
  if (typeof value !== 'object') return void into.set(path, typeOf(value));
  for (const [key, member] of Object.entries(value)) {
    if (key.trim() === '' || (!opaque.includes(path) && key.split('.').some((part) => part.trim() === ''))) {
      throw unparsable(`field name cannot contain only whitespace: [${path}.${key}]`);
    }
    if (path === 'body' && key === 'structured') continue;
    const isMetric = path === 'metrics' && typeof member === 'object';
    if (isMetric) into.set(`${path}.${key}`, 'object');
    else flatten(member, path === '' ? key : `${path}.${key}`, into, opaque);
  }
  if (path.split('.').length > 20) throw unparsable('The depth of the field has exceeded the allowed limit of [20]');
}

function typeOf(value: string | number | bigint | boolean): string {
  if (typeof value === 'string') return 'text';
  return typeof value === 'boolean' ? 'boolean' : 'number';
}

/** Anything can be text. */
function isCompatible(mapped: string, type: string): boolean {
  return mapped === type || mapped === 'text';
}

/** A field cannot be a value and an object. */
function checkConflicts(fields: ReadonlyMap<string, string>): void {
  for (const field of fields.keys()) {
    if (/^(attributes|resource\.attributes|scope\.attributes|metrics)\./.test(field)) continue;
    for (const other of fields.keys()) {
      if (other.startsWith(`${field}.`))
        throw unparsable(
          `object mapping for [${field}] tried to parse field [${field}] as object, but found a concrete value`,
        );
    }
  }
}

function checkHistograms(value: Json): void {
  if (typeof value !== 'object' || value === null) return;
  const { counts, values } = value as { counts?: Json; values?: Json };
  if (Array.isArray(counts) && Array.isArray(values)) {
    if (counts.length !== values.length) throw unparsable('expected same length from [values] and [counts]');
    if (values.some((each, index) => index > 0 && (each as number) <= (values[index - 1] as number))) {
      throw unparsable('values must be in increasing order');
    }
  }
  Object.values(value).forEach(checkHistograms);
}

/** Strict: every name once, integers with all digits. */
function parse(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text, (_, each: Json, { source }: { source?: string } = {}) =>
      typeof each === 'number' && source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(each)
        ? BigInt(source)
        : each,
    ) as Json;
  } catch (error) {
    throw unparsable(String(error));
  }
  const written = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter((match) => match[1] !== undefined).length;
  if (written !== countKeys(value)) throw unparsable('Duplicate field');
  if (!text.isWellFormed() || /\\ud[89a-f]/i.test(text)) throw unparsable('half of a surrogate pair');
  return value;
}

function countKeys(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, each: Json) => sum + countKeys(each), own);
}
