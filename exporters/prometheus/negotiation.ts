/** What to answer a scraper with: https://prometheus.io/docs/instrumenting/content_negotiation. */
import type { Escaping } from '../../src/prometheus/names.ts';

export interface Format {
  readonly kind: 'text' | 'openmetrics';
  readonly escaping: Escaping;
  readonly contentType: string;
}

export type ContentEncoding = 'identity' | 'gzip' | 'zstd';

/** A scraper sends the same header each time, and there are few scrapers. */
const negotiated = new Map<string | undefined, Format>();

/** The best format of an `Accept` header; text 0.0.4 where it names none we have. */
export function negotiateFormat(accept: string | undefined): Format {
  let format = negotiated.get(accept);
  if (format === undefined) {
    if (negotiated.size >= 16) negotiated.clear();
    negotiated.set(accept, (format = bestFormat(accept)));
  }
  return format;
}

function bestFormat(accept: string | undefined): Format {
  for (const { value, parameters } of byQuality(accept)) {
    const version = parameters.get('version');
    const wished = parseEscaping(parameters.get('escaping'));
    const escaping = wished ?? 'underscores';
    if (value === 'application/openmetrics-text') {
      const known = version ?? '1.0.0';
      if (known === '1.0.0' || known === '0.0.1') {
        return { kind: 'openmetrics', escaping, contentType: contentType(value, known, escaping) };
      }
    } else if (value === 'text/plain') {
      if (version === '1.0.0') return { kind: 'text', escaping, contentType: contentType(value, version, escaping) };
      if (version === undefined || version === '0.0.4') {
        return { kind: 'text', escaping, contentType: contentType(value, '0.0.4', wished) };
      }
    } else if (value === '*/*' || value === 'text/*') {
      return FALLBACK;
    }
  }
  return FALLBACK;
}

const FALLBACK: Format = {
  kind: 'text',
  escaping: 'underscores',
  contentType: contentType('text/plain', '0.0.4', undefined),
};

const negotiatedEncodings = new Map<string | undefined, ContentEncoding>();

/** The best encoding of an `Accept-Encoding` header (RFC 9110, 12.5.3). */
export function negotiateEncoding(acceptEncoding: string | undefined): ContentEncoding {
  let encoding = negotiatedEncodings.get(acceptEncoding);
  if (encoding === undefined) {
    if (negotiatedEncodings.size >= 16) negotiatedEncodings.clear();
    negotiatedEncodings.set(acceptEncoding, (encoding = bestEncoding(acceptEncoding)));
  }
  return encoding;
}

function bestEncoding(acceptEncoding: string | undefined): ContentEncoding {
  for (const { value } of byQuality(acceptEncoding, preferCheap)) {
    if (value === 'zstd' || value === '*') return 'zstd';
    if (value === 'gzip' || value === 'x-gzip') return 'gzip';
    if (value === 'identity') return 'identity';
  }
  return 'identity';
}

/** zstd costs less than half of what gzip does, and its result is smaller. */
function preferCheap(value: string): number {
  return value === 'zstd' ? 1 : 0;
}

function contentType(type: string, version: string, escaping: Escaping | undefined): string {
  const known = `${type}; version=${version}; charset=utf-8`;
  return escaping === undefined ? known : `${known}; escaping=${escaping}`;
}

function parseEscaping(text: string | undefined): Escaping | undefined {
  switch (text) {
    // The document wrote allow-utf8 until 2025, so some scrapers send that.
    case 'allow-utf-8':
    case 'allow-utf8':
      return 'allow-utf-8';
    case 'underscores':
    case 'dots':
    case 'values':
      return text;
    default:
      return undefined;
  }
}

interface Choice {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** A header longer than this is no scraper's. */
const MAX_HEADER_LENGTH = 4096;

/** The choices of a header, best first: by `q`, then by `preference`, then as written. Those with q=0 are left out. */
function byQuality(header: string | undefined, preference: (value: string) => number = () => 0): Choice[] {
  if (header === undefined || header.length > MAX_HEADER_LENGTH) return [];
  const choices: (Choice & { readonly quality: number })[] = [];
  for (const part of header.split(',')) {
    const [value = '', ...pairs] = part.split(';').map((text) => text.trim());
    const parameters = new Map<string, string>();
    for (const pair of pairs) {
      const equals = pair.indexOf('=');
      if (equals !== -1) parameters.set(pair.slice(0, equals).trim().toLowerCase(), unquote(pair.slice(equals + 1)));
    }
    const quality = Number(parameters.get('q') ?? '1');
    if (value !== '' && quality > 0) choices.push({ value: value.toLowerCase(), parameters, quality });
  }
  return choices.sort((a, b) => b.quality - a.quality || preference(b.value) - preference(a.value));
}

function unquote(text: string): string {
  const value = text.trim();
  return (/^".*"$/.test(value) ? value.slice(1, -1) : value).toLowerCase();
}
