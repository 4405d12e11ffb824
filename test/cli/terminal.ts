/** A terminal that keeps what it is told. */
import type { Terminal } from '../../src/cli/terminal.ts';

export interface RecordedTerminal extends Terminal {
  /** Results. */
  readonly printed: string;
  /** Errors and notices. */
  readonly complained: string;
}

/** A pipe unless `overrides` make it a person's terminal. */
export function recordedTerminal(overrides: Partial<Terminal> = {}): RecordedTerminal {
  const texts = { printed: '', complained: '' };
  return {
    isInteractive: false,
    hasColor: false,
    isInteractiveError: false,
    hasErrorColor: false,
    columns: undefined,
    ...overrides,
    // Bytes as characters of the same number, so that none is lost.
    print: (text) => void (texts.printed += typeof text === 'string' ? text : Buffer.from(text).toString('latin1')),
    complain: (text) => void (texts.complained += text),
    get printed() {
      return texts.printed;
    },
    get complained() {
      return texts.complained;
    },
  };
}
