/** Heads of POST requests, as far as they leave nothing to interpret (RFC 9112). */
import type { PostHead } from '../component.ts';

export interface PlainHead extends PostHead {
  readonly path: string;
  readonly host: string;
}

/** Names, and values without control characters; no line that continues the one before (`obs-fold`), 100 of them. */
const HEAD = /^POST (\/[!-~]*) HTTP\/1\.1(?:\r\n[\w!#$%&'*+.^`|~-]+:[\t -~\x80-\xff]*){1,100}$/;
/** They ask for what is not done here. */
const SPECIAL = /\r\n(?:transfer-encoding|te|trailer|upgrade|expect|proxy-connection|origin):/;
const LENGTH = /^\d{1,10}$/;
const MAX_CHARACTERS = 16_384;

/** @param text all before the empty line @returns undefined where `node:http` shall look at it */
export function parsePostHead(text: string): PlainHead | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const path = HEAD.exec(text)?.[1];
  const lower = text.toLowerCase();
  if (path === undefined || SPECIAL.test(lower)) return undefined;
  const host = valueOf('host', text, lower);
  const length = valueOf('content-length', text, lower);
  const contentType = valueOf('content-type', text, lower);
  const contentEncoding = valueOf('content-encoding', text, lower);
  const connection = valueOf('connection', text, lower)?.toLowerCase();
  if (host === undefined || length === undefined || !LENGTH.test(length)) return undefined;
  if (connection !== undefined && connection !== 'keep-alive') return undefined;
  if (host === TWICE || contentType === TWICE || contentEncoding === TWICE) return undefined;
  return { path, host, length: Number(length), contentType, contentEncoding };
}

/** In place of a value that is there twice: no value can be that. */
const TWICE = '\n';

/** @param lower `text` in lower case: of ASCII and Latin-1, each character stays where it is */
function valueOf(name: string, text: string, lower: string): string | undefined {
  const line = `\r\n${name}:`;
  const at = lower.indexOf(line);
  if (at < 0) return undefined;
  const from = at + line.length;
  if (lower.includes(line, from)) return TWICE;
  const end = text.indexOf('\r\n', from);
  // A no-break space, which `trim` takes away, is part of a value.
  return text.slice(from, end < 0 ? undefined : end).replace(/^[\t ]+|[\t ]+$/g, '');
}
