/** Decides `^`, `$`, `\b` and their like from what stands before and behind. */
import type { Assertion } from './regexp_syntax.ts';

/** What a neighbouring position holds: the text's edge, a line feed, a character of a word, any other. */
export type Kind = 'start' | 'end' | 'line_feed' | 'word' | 'other';

export function kindOf(code: number): Kind {
  if (code === 0x0a) return 'line_feed';
  const isWord =
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f;
  return isWord ? 'word' : 'other';
}

export function holds(assertion: Assertion, previous: Kind, following: Kind): boolean {
  switch (assertion) {
    case 'text_start':
      return previous === 'start';
    case 'text_end':
      return following === 'end';
    case 'line_start':
      return previous === 'start' || previous === 'line_feed';
    case 'line_end':
      return following === 'end' || following === 'line_feed';
    case 'word_boundary':
      return (previous === 'word') !== (following === 'word');
    case 'no_word_boundary':
      return (previous === 'word') === (following === 'word');
  }
}
