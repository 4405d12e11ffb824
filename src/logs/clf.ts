/**
 * Access logs in the common and the combined format of Apache and nginx, with a virtual host before and fields behind:
 * `203.0.113.7 - anna [02/Jan/2024:15:04:05 +0100] "GET /a?b=c HTTP/1.1" 200 2326 "https://example.com/" "curl/8.5.0"`.
 */
import type { AnyValue } from '../model/attributes.ts';
import type { LineParser, ParsedLine } from './format.ts';
import { plainLine } from './plain.ts';
import { endOfQuoted } from './quoted.ts';
import type { TimeReader } from './time/reader.ts';
import { isDigit } from './time/scan.ts';

/** Of host, identity and user together; a longer line is none of these. */
const MAX_FRONT = 1024;

/** https://opentelemetry.io/docs/specs/semconv/attributes-registry/http/; others are _OTHER. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

export function createClfParser(times: TimeReader): LineParser {
  return { parse: (line) => parseClf(line, times) };
}

/** Where the bracket of the time is; -1 where the line is no access log. */
export function clfTimeAt(line: string): number {
  const bracket = line.slice(0, MAX_FRONT).indexOf(' [') + 1;
  if (bracket === 0 || line.charCodeAt(bracket + 3) !== 0x2f || line.charCodeAt(bracket + 7) !== 0x2f) return -1;
  return isDigit(line.charCodeAt(bracket + 1)) ? bracket : -1;
}

function parseClf(line: string, times: TimeReader): ParsedLine | undefined {
  const bracket = clfTimeAt(line);
  if (bracket < 0) return undefined;
  const time = times.readAt(line, bracket + 1);
  if (time === undefined || !line.startsWith('] "', times.end)) return undefined;
  const attributes: Record<string, AnyValue> = {};
  if (!readFront(line.slice(0, bracket - 1), attributes)) return undefined;
  const requestEnd = endOfQuoted(line, times.end + 3);
  if (requestEnd < 0) return undefined;
  readRequest(unescape(line.slice(times.end + 3, requestEnd)), attributes);

  const at = requestEnd + 2;
  const status = numberAt(line, at);
  if (line.charCodeAt(requestEnd + 1) !== 0x20 || (status === undefined && line.charCodeAt(at) !== 0x2d))
    return undefined;
  // Apache writes a dash where it has sent no answer, 000 for what nginx did.
  if (status !== undefined && status > 0) attributes['http.response.status_code'] = status;
  const sizeAt = line.indexOf(' ', at) + 1;
  if (sizeAt === 0) return undefined;
  const size = numberAt(line, sizeAt);
  if (size === undefined && line.charCodeAt(sizeAt) !== 0x2d) return undefined;
  attributes['http.response.body.size'] = size ?? 0;
  readHeaders(line, sizeAt, attributes);

  const parsed = plainLine(line);
  parsed.time = time;
  parsed.attributes = attributes;
  return parsed;
}

/** `host identity user`, of which a user may have spaces, or `server:port host identity user`. */
function readFront(front: string, attributes: Record<string, AnyValue>): boolean {
  const words = front.split(' ', 16);
  if (words.length < 3) return false;
  const server = words.length > 3 ? /^([A-Za-z0-9.-]+):(\d{1,5})$/.exec(words[0]!) : null;
  if (server !== null) {
    attributes['server.address'] = server[1]!;
    attributes['server.port'] = Number(server[2]);
    words.shift();
  }
  const [host, , ...user] = words as [string, string, ...string[]];
  if (host === '' || user.length === 0) return false;
  if (host !== '-') attributes['client.address'] = host;
  const name = unescape(user.join(' '));
  if (name !== '-' && name !== '""' && name !== '') attributes['user.name'] = name;
  return true;
}

function readRequest(request: string, attributes: Record<string, AnyValue>): void {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) (\S+)(?: HTTP\/(\d(?:\.\d)?))?$/.exec(request);
  // Whatever a client sends is logged, as the start of TLS; the body has it.
  if (match === null) return;
  const [, method, target, version] = match as unknown as [string, string, string, string | undefined];
  if (METHODS.has(method)) {
    attributes['http.request.method'] = method;
  } else {
    attributes['http.request.method'] = '_OTHER';
    attributes['http.request.method_original'] = method;
  }
  if (target.startsWith('/')) {
    const question = target.indexOf('?');
    attributes['url.path'] = question < 0 ? target : target.slice(0, question);
    if (question >= 0) attributes['url.query'] = target.slice(question + 1);
  } else {
    attributes['url.original'] = target;
  }
  if (version !== undefined) {
    attributes['network.protocol.name'] = 'http';
    attributes['network.protocol.version'] = version === '2.0' ? '2' : version === '3.0' ? '3' : version;
  }
}

/** What stands quoted behind the size: the referrer, the user agent, and in nginx's own format whom it was forwarded for. */
const HEADERS = ['http.request.header.referer', 'user_agent.original', 'http.request.header.x-forwarded-for'] as const;

function readHeaders(line: string, start: number, attributes: Record<string, AnyValue>): void {
  let at = line.indexOf(' ', start);
  for (const name of HEADERS) {
    if (at < 0 || !line.startsWith(' "', at)) return;
    const end = endOfQuoted(line, at + 2);
    if (end < 0) return;
    const value = unescape(line.slice(at + 2, end));
    // The conventions have headers as lists.
    if (value !== '-' && value !== '') attributes[name] = name === 'user_agent.original' ? value : [value];
    at = end + 1;
  }
}

function numberAt(line: string, at: number): number | undefined {
  let end = at;
  while (end < at + 16 && isDigit(line.charCodeAt(end))) end++;
  const isWhole = end === line.length || line.charCodeAt(end) === 0x20;
  return end === at || !isWhole ? undefined : Number(line.slice(at, end));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Apache writes `\"` and `\\`, both write other bytes as `\xE2`. */
function unescape(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/(?:\\x[0-9A-Fa-f]{2})+|\\([bnrtv"\\])/g, (whole, letter?: string) => {
    if (letter !== undefined) return ESCAPES[letter] ?? letter;
    return Buffer.from(whole.replaceAll('\\x', ''), 'hex').toString();
  });
}
