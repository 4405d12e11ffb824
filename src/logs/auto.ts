/**
 * Finds the format of each line by its first characters. Only what is surely of a format is read as such: a line that
 * merely resembles one is text, and text is never wrong.
 */
import { clfTimeAt } from './clf.ts';
import type { ParsedLine } from './format.ts';
import { parseLogfmt } from './logfmt.ts';
import { readPlain } from './plain.ts';
import { SEVERITY_WORDS } from '../model/severity.ts';
import type { SyslogMessage } from './syslog.ts';
import type { TimeReader } from './time/reader.ts';
import { isDigit, monthAt } from './time/scan.ts';
import type { FieldsReader } from './fields.ts';

/** What `auto` chooses from; each returns undefined where the line is not of its format. */
export interface Formats {
  readonly json: (line: string) => ParsedLine | undefined;
  readonly clf: (line: string) => ParsedLine | undefined;
  readonly cri: (line: string) => ParsedLine | undefined;
  readonly docker: (line: string) => ParsedLine | undefined;
  readonly syslog: (line: string) => SyslogMessage | undefined;
  readonly toLine: (message: SyslogMessage) => ParsedLine;
}

/** A parser for one source; `fields` and `times` are those of its formats. */
export function createAutoParser(formats: Formats, fields: FieldsReader, times: TimeReader) {
  /** The host of the last line that was surely syslog: with it a line without pid is, too. */
  let syslogHost: string | undefined;
  /** Of a source whose last line was logfmt, one pair is enough. */
  let wasLogfmt = false;

  function syslog(line: string): ParsedLine | undefined {
    const message = formats.syslog(line);
    if (message === undefined) return undefined;
    const isSure = message.severity !== undefined || isSyslogInFile(line, message, syslogHost);
    if (!isSure) return undefined;
    syslogHost = message.hostname;
    return formats.toLine(message);
  }

  function logfmt(line: string): ParsedLine | undefined {
    if (!beginsWithPair(line)) return undefined;
    const pairs = parseLogfmt(line);
    if (pairs === undefined || pairs.bareCount > 0) return undefined;
    const parsed = fields.read(pairs.fields, line);
    // Settings look the same, as PATH=/usr/bin: a line of a log tells at least two of time, level and text.
    const known = Number(parsed.time !== 0n) + Number(parsed.severityNumber !== 0) + Number(parsed.body !== line);
    if (known < (wasLogfmt ? 1 : 2)) return undefined;
    wasLogfmt = true;
    return parsed;
  }

  function structured(line: string): ParsedLine | undefined {
    const first = line.charCodeAt(0);
    if (first === 0x7b) {
      if (line.charCodeAt(line.length - 1) !== 0x7d && !line.trimEnd().endsWith('}')) return undefined;
      return (line.startsWith('{"log":') ? formats.docker(line) : undefined) ?? formats.json(line);
    }
    if (first === 0x3c) return isDigit(line.charCodeAt(1)) ? syslog(line) : undefined;
    const third = line.charCodeAt(2);
    if (isDigit(first) && isDigit(third) && line.charCodeAt(4) === 0x2d) {
      if (line.charCodeAt(10) !== 0x54) return undefined;
      return formats.cri(line) ?? syslog(line);
    }
    // With a comma behind the day it is java.util.logging's.
    if (line.charCodeAt(3) === 0x20 && monthAt(line, 0) > 0)
      return /^,|^.,/.test(line.slice(5, 7)) ? undefined : syslog(line);
    const pairs = logfmt(line);
    if (pairs !== undefined) return pairs;
    return clfTimeAt(line) > 0 ? formats.clf(line) : undefined;
  }

  return (line: string): ParsedLine => structured(line) ?? readPlain(line, times);
}

/**
 * A time of syslog, a host and a tag with a pid are syslog; without a pid the host must be the one of a line before, or the
 * tag the kernel's. A time of ISO 8601 begins the lines of many programs: `… ERROR main[1]: text` is none of them.
 */
function isSyslogInFile(
  line: string,
  { hostname, appName, procId }: SyslogMessage,
  lastHost: string | undefined,
): boolean {
  if (hostname === '' || SEVERITY_WORDS.has(hostname.toLowerCase())) return false;
  if (hostname === lastHost) return true;
  if (!isDigit(line.charCodeAt(0))) return appName !== '';
  return /^\d+$/.test(procId) || appName === 'kernel';
}

/** Of letters, digits and what joins them, before an equals sign. */
function beginsWithPair(line: string): boolean {
  for (let at = 0; at < line.length && at < 64; at++) {
    const code = line.charCodeAt(at);
    if (code === 0x3d) return at > 0;
    const letter = code | 0x20;
    const isName =
      (letter >= 0x61 && letter <= 0x7a) || isDigit(code) || code === 0x5f || code === 0x2e || code === 0x2d;
    if (!isName && code !== 0x40) return false;
  }
  return false;
}
