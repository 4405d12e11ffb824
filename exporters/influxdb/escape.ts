/**
 * Names and values as line protocol writes them
 * (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/). Two dialects differ in one thing: to
 * InfluxDB 1 and 2 a backslash is itself unless a special character follows; InfluxDB 3 reads two of them as one.
 */
export interface Dialect {
  measurement(name: string): string;
  /** A tag key, a tag value or a field key. */
  key(text: string): string;
  /** A string field, with its quotes. */
  text(text: string): string;
}

export function createDialect(areBackslashesDoubled: boolean): Dialect {
  const escape = (text: string, special: RegExp): string => {
    const clean = carriable(text);
    if (!/[\\ ,=]/.test(clean)) return clean;
    return (areBackslashesDoubled ? clean.replaceAll('\\', '\\\\') : clean).replace(special, '\\$&');
  };
  return {
    // A line that begins with # is a comment; InfluxDB 1 loses backslashes before these characters in measurements.
    measurement(name) {
      const shown = areBackslashesDoubled ? name : name.replace(/\\+(?=[ ,="])/g, (found) => '/'.repeat(found.length));
      return escape(shown.startsWith('#') ? `_${shown.slice(1)}` : shown, /[ ,]/g);
    },
    key: (text) => escape(text, /[ ,=]/g),
    text: (text) => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`,
  };
}

/**
 * What names and tags can carry of a text: control characters, of which a newline would end the line, become `\n` and
 * `\u0001` in letters, as Telegraf has it; a backslash at the end would escape the separator, and is left out.
 */
function carriable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/[\u0000-\u001f\u007f]|\\$/.test(text)) return text;
  // oxlint-disable-next-line no-control-regex
  return text.replace(/\\+$/, '').replace(/[\u0000-\u001f\u007f]/g, inLetters);
}

const SHORT: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' };

function inLetters(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
