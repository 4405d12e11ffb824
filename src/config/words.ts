/** How values appear in messages: short, on one line, and never a secret. */
import { holdsSecret, type Shape } from './shape.ts';
import { nearest } from './suggest.ts';
import type { Node, Path, ScalarNode } from './tree.ts';

export const REDACTED = '[REDACTED]';

const SENSITIVE_NAME =
  /pass(wd|word|phrase)?$|password|secret|token|credential|authorization|api[-_.]?key|access[-_.]?key|private[-_.]?key|cookie|bearer/i;
/** A name that says where a secret lies, not what it is. */
const NAMES_A_PLACE = /(_file|_path|_dir|_url|_endpoint)$/i;
const MAX_SHOWN = 60;

/** Whether a key's name suggests that its value is a secret, whatever its schema says. */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE_NAME.test(name) && !NAMES_A_PLACE.test(name);
}

/**
 * Whether the scalar at `path` must not be shown. A key that is misspelt counts as what it was probably meant to be:
 * the token under `heders` is a token all the same.
 */
export function isSensitive(node: ScalarNode, path: Path, shape: (path: Path) => Shape | undefined): boolean {
  const via = node.origin.via;
  if (node.isFromFile === true || (via !== undefined && isSensitiveName(via))) return true;
  const known = shape(path);
  if (known !== undefined && known.kind !== 'any') return known.format === 'secret';
  // Free-form values and unknown keys: names are all there is to go by.
  for (let length = 1; length <= path.length; length++) {
    const name = path[length - 1]!;
    if (typeof name === 'string' && isSensitiveName(name)) return true;
    // Something else where a secret belongs, as a list of them.
    if (shape(path.slice(0, length))?.format === 'secret') return true;
    const parent = shape(path.slice(0, length - 1));
    if (typeof name !== 'string' || parent?.kind !== 'object' || parent.entries.has(name)) continue;
    const meant = nearest(name, parent.entries.keys());
    if (meant !== undefined && holdsSecret(parent.entries.get(meant)!)) return true;
  }
  return false;
}

/** What was found, in words: `"abc"`, `5`, `a list`, `nothing`; only its kind if it is a secret. */
export function describeFound(node: Node | undefined, isSecret: boolean): string {
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return 'nothing';
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node.kind === 'map') return 'a section';
  const via = node.origin.via === undefined ? '' : ` from ${node.origin.via}`;
  const isNamedSecret = node.origin.via !== undefined && isSensitiveName(node.origin.via);
  const isHidden = isSecret || isNamedSecret || node.isFromFile === true;
  if (isHidden) return `${typeof node.value === 'string' ? 'a text' : `a ${typeof node.value}`}${via}`;
  return `${quote(node.value)}${via}`;
}

/** A value as JSON on one line, cut where it is long, without what a URL says of user and password. */
export function quote(value: unknown): string {
  const text = withoutUserinfo(typeof value === 'string' ? value : String(value));
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return typeof value === 'string' ? JSON.stringify(short) : short;
}

/** What a URL says of user and password: `user:password` in `https://user:password@host/`. */
export const USERINFO = /(?<=\w:\/\/)[^/@\s]+(?=@)|[^\s/:@"']+:[^\s/@"']+(?=@)/g;

/** `https://user:password@host/` → `https://[REDACTED]@host/`. */
export function withoutUserinfo(text: string): string {
  return text.replace(USERINFO, REDACTED);
}
