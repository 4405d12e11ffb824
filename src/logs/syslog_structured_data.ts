/** The structured data of RFC 5424, section 6.3: `[exampleSDID@32473 iut="3" eventSource="Application"][other]`. */
import { endOfQuoted } from './quoted.ts';

/** Parameters by element. */
export type StructuredData = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Undefined where it is not what the RFC says; `end` is behind the last bracket. */
export function readStructuredData(
  text: string,
  start: number,
): { readonly data: StructuredData; readonly end: number } | undefined {
  const elements = new Map<string, Map<string, string>>();
  let at = start;
  while (text.charCodeAt(at) === 0x5b) {
    const idEnd = endOfName(text, at + 1);
    if (idEnd === at + 1) return undefined;
    const id = text.slice(at + 1, idEnd);
    const parameters = elements.get(id) ?? new Map<string, string>();
    elements.set(id, parameters);
    at = idEnd;
    while (text.charCodeAt(at) === 0x20) {
      // A space before the bracket is wrong, and common.
      if (text.charCodeAt(at + 1) === 0x5d) {
        at++;
        break;
      }
      const nameEnd = endOfName(text, at + 1);
      if (nameEnd === at + 1 || !text.startsWith('="', nameEnd)) return undefined;
      const valueEnd = endOfQuoted(text, nameEnd + 2);
      if (valueEnd < 0) return undefined;
      const value = unescape(text.slice(nameEnd + 2, valueEnd));
      const name = text.slice(at + 1, nameEnd);
      // A name may come twice, as `ip` of `origin` does.
      const before = parameters.get(name);
      parameters.set(name, before === undefined ? value : `${before},${value}`);
      at = valueEnd + 1;
    }
    if (text.charCodeAt(at) !== 0x5d) return undefined;
    at++;
  }
  const data = Object.fromEntries(Array.from(elements, ([id, parameters]) => [id, Object.fromEntries(parameters)]));
  return at === start ? undefined : { data, end: at };
}

/** Names are printable ASCII without `=`, `]`, `"` and space. */
function endOfName(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code >= 0x7f || code === 0x3d || code === 0x5d || code === 0x22) break;
  }
  return at;
}

/** Only `"`, `\` and `]` are escaped: another backslash is one. */
function unescape(text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\\]])/g, '$1') : text;
}
