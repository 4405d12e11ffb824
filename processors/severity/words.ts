/** Words in a line of text that say how severe it is. */
import { compileRegExp, type LinearRegExp } from '../../src/text/regexp.ts';

const UPPER =
  'TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|SEVERE|ALERT|FATAL|EMERG|PANIC|FINEST|FINER|FINE|CONFIG';
const SHORT = 'TRC|DBG|INF|WRN|ERR|FTL';

/**
 * In prose "error" is no level ("no error was found"), so a word in lower case must stand as one: in brackets, behind
 * level=, or before a colon at the start.
 */
const FORMS = [
  String.raw`\b(${UPPER})\b`,
  // 2026-01-01T00:00:00Z INF started (zerolog, Serilog)
  String.raw`(?:\s|[|\[])(${SHORT})(?:\s|[|\]:])`,
  // ts=… level=warn, "level":"warn", severity: warn
  String.raw`(?i)\b(?:level|lvl|severity|loglevel)\\?["']?\s*[:=]\s*\\?["']?([a-z]+)`,
  // [error] (nginx, Apache: [core:error])
  String.raw`(?i)[\[<(](?:[a-z_]+:)?(${UPPER})[\]>)]`,
  String.raw`(?i)^(?:[a-z0-9_./-]+: )?(${UPPER}):`,
  // E0102 15:04:05.678901 1 file.go:1] (klog, glog, abseil)
  String.raw`^([IWEF])[0-9]{4} [0-9]{2}:`,
];

/** A level stands at the front of a line; further in it may be what the line is about. */
const SEARCHED_CHARACTERS = 256;

let forms: LinearRegExp | undefined;

/** The words at the front of the text that may be levels, in their order. */
export function findWords(text: string): string[] {
  forms ??= compileRegExp(FORMS.join('|'));
  const front = text.length > SEARCHED_CHARACTERS ? text.slice(0, SEARCHED_CHARACTERS) : text;
  if (!forms.matches(front)) return [];
  return forms.findAll(front).matches.map(({ groups }) => groups.slice(1).find((group) => group !== undefined)!);
}
