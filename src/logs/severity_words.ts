/**
 * Words in a line of text that say how severe it is. In prose "error" is no level ("no error was found"), so a word in
 * lower case must stand as one: in brackets, behind level=, or before a colon at the start.
 */
import { SEVERITY_WORDS, type SeverityNumber } from '../model/severity.ts';

/** In capitals they are levels wherever they stand, and in brackets in any case. */
const LEVELS = new Set(
  'TRACE DEBUG INFO NOTICE WARN WARNING ERR ERROR CRIT CRITICAL SEVERE ALERT FATAL EMERG PANIC FINEST FINER FINE CONFIG'.split(
    ' ',
  ),
);
/** Of zerolog and Serilog, between spaces, bars or brackets: `2026-01-01T00:00:00Z INF started`. */
const SHORT_LEVELS = new Set(['TRC', 'DBG', 'INF', 'WRN', 'ERR', 'FTL']);
/** `ts=… level=warn`, `"level":"warn"`, `severity: warn`. */
const KEYS = new Set(['level', 'lvl', 'severity', 'loglevel']);
const LONGEST = 8;

/** A level stands at the front of a line; further in it may be what the line is about. */
const SEARCHED_CHARACTERS = 256;

/** The words at the front of the text that may be levels, in their order. */
export function findWords(text: string): string[] {
  const words: string[] = [];
  scan(text, (word) => {
    words.push(word);
    return false;
  });
  return words;
}

/** The first word at the front of the text that is a level. */
export function findSeverity(text: string): { readonly word: string; readonly severity: SeverityNumber } | undefined {
  let found: { word: string; severity: SeverityNumber } | undefined;
  scan(text, (word) => {
    const severity = SEVERITY_WORDS.get(word) ?? SEVERITY_WORDS.get(word.toLowerCase());
    if (severity !== undefined) found = { word, severity };
    return severity !== undefined;
  });
  return found;
}

/** Letters that levels, and keys of levels, begin with. */
const INITIALS = new Uint8Array(128);
for (const word of [...LEVELS, ...SHORT_LEVELS, 'LEVEL', 'LVL', 'SEVERITY']) {
  INITIALS[word.charCodeAt(0)] = 1;
  INITIALS[word.charCodeAt(0) | 0x20] = 1;
}

/** Hands over words that may be levels, until it is told that this is enough. */
function scan(text: string, isEnough: (word: string) => boolean): void {
  const limit = Math.min(text.length, SEARCHED_CHARACTERS);
  if (isKlog(text) && isEnough(text.charAt(0))) return;
  // What stands before a colon at the start, as `nginx: [emerg]` or `app: error: …`, has no space in it.
  let isAtStart = true;
  let at = 0;
  while (at < limit) {
    const code = text.charCodeAt(at);
    if (!isWordCharacter(code)) {
      if (code <= 0x20 && at > 0 && text.charCodeAt(at - 1) !== 0x3a) isAtStart = false;
      at++;
      continue;
    }
    const start = at;
    while (at < limit && isWordCharacter(text.charCodeAt(at))) at++;
    if (at - start > LONGEST || at - start < 3 || code > 127 || INITIALS[code] === 0) continue;
    if (text.charCodeAt(start + 1) >= 0x61 && !mayBeLower(text, code, start, at)) continue;
    const word = text.slice(start, at);
    if (isLevel(text, word, start, at, isAtStart)) {
      if (isEnough(word)) return;
    } else if (KEYS.has(word.toLowerCase())) {
      const value = valueBehind(text, at);
      if (value !== '' && isEnough(value)) return;
      if (value !== '') at = text.indexOf(value, at) + value.length;
    }
  }
}

/** `E0102 15:04:05.678901 1 file.go:1] text`, of klog, glog and abseil; glog may have the year, too. */
export function isKlog(text: string): boolean {
  return /^[IWEFD](?:2[0-9]{7}|[0-9]{4}) [0-9]{2}:/.test(text);
}

/** Most words of a text are in lower case, and the next characters tell that they are neither levels nor their keys. */
function mayBeLower(text: string, first: number, start: number, end: number): boolean {
  const after = text.charCodeAt(end);
  // A colon or a closing bracket; of `level` and `severity`, what stands before the value, too.
  if (after === 0x3a || after === 0x5d || after === 0x3e || after === 0x29) return true;
  const letter = first | 0x20;
  return (letter === 0x6c || letter === 0x73) && KEYS.has(text.slice(start, end).toLowerCase());
}

function isLevel(text: string, word: string, start: number, end: number, isAtStart: boolean): boolean {
  const upper = word.toUpperCase();
  const isKnown = LEVELS.has(upper);
  if (isKnown && word === upper) return true;
  const before = text.charAt(start - 1);
  const after = text.charAt(end);
  // LOG:, of PostgreSQL, and [Note], of MySQL, are words of their own elsewhere.
  if (word === 'LOG') return after === ':';
  if (upper === 'NOTE') return before === '[' && after === ']';
  if (!isKnown) {
    return SHORT_LEVELS.has(word) && /[\s|[]/.test(before) && /[\s|\]:]/.test(after);
  }
  if (after === ':' && isAtStart) return start === 0 || text.slice(start - 2, start) === ': ';
  if (after !== ']' && after !== '>' && after !== ')') return false;
  if (before === '[' || before === '<' || before === '(') return true;
  // Apache's [core:error].
  return before === ':' && /[[<(][a-z_]+:$/i.test(text.slice(Math.max(0, start - 40), start));
}

/** `="warn`, `\":\"warn`, `: warn`. */
function valueBehind(text: string, at: number): string {
  const match = /^\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?([a-zA-Z]{1,20})/.exec(text.slice(at, at + 40));
  return match?.[1] ?? '';
}

function isWordCharacter(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x5f;
}
