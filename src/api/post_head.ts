/** Heads of POST requests, as far as they leave nothing to interpret (RFC 9112). */

import type { PostHead } from '../component.ts';

export interface PlainHead extends PostHead {
  readonly path: string;
  readonly host: string;
}

const REQUEST_LINE = /^POST (\/[!-~]*) HTTP\/1\.1$/;
/** A name, and a value without control characters; no line that continues the one before (`obs-fold`). */
const HEADER = /^([\w!#$%&'*+.^`|~-]+):[\t ]*([\t -~\x80-\xff]*)$/;
const LENGTH = /^\d{1,10}$/;
const MAX_LINES = 100;
const MAX_CHARACTERS = 16_384;

/** What decides how a body is read and who answers. Each may be there once. */
const READ: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'content-encoding']);
/** They ask for what is not done here. */
const SPECIAL: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'proxy-connection',
  'origin',
]);

/** @param text all before the empty line @returns undefined where `node:http` shall look at it */
export function parsePostHead(text: string): PlainHead | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const lines = text.split('\r\n');
  const path = REQUEST_LINE.exec(lines[0]!)?.[1];
  if (path === undefined || lines.length > MAX_LINES) return undefined;
  const found = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const header = HEADER.exec(lines[i]!);
    if (header === null) return undefined;
    const name = header[1]!.toLowerCase();
    if (READ.has(name)) {
      if (found.has(name)) return undefined;
      found.set(name, header[2]!.trimEnd());
    } else if (SPECIAL.has(name)) return undefined;
    else if (name === 'connection' && header[2]!.trimEnd().toLowerCase() !== 'keep-alive') return undefined;
  }
  const host = found.get('host');
  const length = found.get('content-length');
  if (host === undefined || length === undefined || !LENGTH.test(length)) return undefined;
  return {
    path,
    host,
    length: Number(length),
    contentType: found.get('content-type'),
    contentEncoding: found.get('content-encoding'),
  };
}
