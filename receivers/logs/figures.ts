/** What the receiver counts of itself. */
export interface Figures {
  lines: number;
  bytes: number;
  /** Lines that were divided or cut off for their length. */
  longLines: number;
  unparsed: number;
  /** Records with bytes that are no text of the encoding. */
  broken: number;
  /** Files that got another name or lost theirs, and files whose content was replaced in place. */
  renamed: number;
  truncated: number;
  errors: number;
}

export function createFigures(): Figures {
  return { lines: 0, bytes: 0, longLines: 0, unparsed: 0, broken: 0, renamed: 0, truncated: 0, errors: 0 };
}
