/** Names in paths: those that are not of Prometheus' old alphabet are escaped there (`U__http_2e_method`). */

const PREFIX = 'U__';

/**
 * The name that was escaped by the scheme `values`: https://prometheus.io/docs/instrumenting/escaping_schemes. What is no
 * such text is a name itself.
 */
export function unescapeName(text: string): string {
  if (!text.startsWith(PREFIX)) return text;
  let name = '';
  for (let at = PREFIX.length; at < text.length;) {
    if (text[at] !== '_') name += text[at++]!;
    else if (text[at + 1] === '_') {
      name += '_';
      at += 2;
    } else {
      const [escape, digits] = /^_([0-9a-fA-F]{1,6})_/.exec(text.slice(at, at + 8)) ?? [];
      const code = Number.parseInt(digits ?? '', 16);
      if (escape === undefined || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return text;
      name += String.fromCodePoint(code);
      at += escape.length;
    }
  }
  return name;
}
