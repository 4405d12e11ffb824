/**
 * Texts as parts of a path. Carbon splits a line at white space, Unicode's too, makes folders of what stands between
 * dots, and Graphite reads `*?[]{}(),"'` as patterns and functions.
 */

/** White space as Python's `str.split` and `splitlines` have it (`\s`, \x1c–\x1f, \x85), and control characters. */
const BLANK = '\\s\\p{Cc}';
const IN_NODE = new RegExp(`[${BLANK}./\\\\;!^=~*?\\[\\]{}(),"'|<>&\`$]`, 'gu');
const IN_TAG = new RegExp(`[${BLANK};!^=]`, 'gu');
const IN_TAG_VALUE = new RegExp(`[${BLANK};]`, 'gu');

/** What nearly all names and values are made of, and nothing here has to look at. */
const PLAIN_NODE = /^[\w:-]*$/;
const PLAIN_TAG = /^[\w.:/@+-]*$/;

/** A text as one node of a path: its dots become `_` as well; '' stays ''. */
export function nodeOf(text: string): string {
  return PLAIN_NODE.test(text) ? text : text.toWellFormed().replace(IN_NODE, '_');
}

/** A dotted name as nodes; none of them is empty. */
export function nodesOf(name: string): string {
  return name
    .split('.')
    .filter((node) => node !== '')
    .map(nodeOf)
    .join('.');
}

/** A tag's name (https://graphite.readthedocs.io/en/stable/tags.html); `name` is the series' own. */
export function tagName(key: string): string {
  const name = PLAIN_TAG.test(key) ? key : key.toWellFormed().replace(IN_TAG, '_');
  return name === 'name' ? 'name_' : name;
}

/** A tag's value: it may not begin with `~`. What ends in `"}` carbon takes for another notation. */
export function tagValue(text: string): string {
  if (PLAIN_TAG.test(text)) return text;
  return text.toWellFormed().replace(IN_TAG_VALUE, '_').replace(/^~/, '_').replace(/"\}$/, '"_');
}
