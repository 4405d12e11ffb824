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
    print: (text) => void (texts.printed += text),
    complain: (text) => void (texts.complained += text),
    get printed() {
      return texts.printed;
    },
    get complained() {
      return texts.complained;
    },
  };
}
