/** Makes text from elsewhere fit for a log line or a terminal. */

/**
 * `text` with control characters as escapes (`\n`, `\u001b`), so that nobody's data moves a cursor or forges a line, and
 * cut after `limit` characters.
 */
export function printable(text: string, limit = Infinity): string {
  const kept = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return kept.replace(UNPRINTABLE, escape);
}

// C0, DEL and C1; the line and paragraph separators; the marks that reorder text (Trojan Source, CVE-2021-42574); lone surrogates.
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escape(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
