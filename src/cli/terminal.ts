/** Where a command writes, and what it knows of the one who reads it; tests give it another. */
import { styleText } from 'node:util';

export interface Terminal {
  /** Results: standard output. */
  print(text: string | Uint8Array): void;
  /** Errors and notices: standard error. */
  complain(text: string): void;
  /** Resolves when what was printed is on its way; undefined where that is not to be waited for. */
  readonly drained?: (() => Promise<void>) | undefined;
  /** Nobody reads results any more, as behind `| head`. */
  readonly isGone?: boolean;
  /** Whether results go to a person's terminal and not to a pipe or file. */
  readonly isInteractive: boolean;
  readonly hasColor: boolean;
  /** Whether errors go to a terminal. */
  readonly isInteractiveError: boolean;
  readonly hasErrorColor: boolean;
  /** Puts a question to a person and resolves with the answer; undefined where there is nobody to ask. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Width of a line; undefined where lines may be of any length. */
  readonly columns: number | undefined;
}

/** The terminal of the process. Colours follow NO_COLOR and FORCE_COLOR. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  return {
    print: (text) => void stdout.write(text),
    complain: (text) => void stderr.write(text),
    async drained() {
      if (!stdout.writableNeedDrain || stdout.destroyed) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const events = ['drain', 'close', 'error'];
      for (const event of events) stdout.on(event, resolve);
      await promise;
      for (const event of events) stdout.off(event, resolve);
    },
    get isGone() {
      return stdout.destroyed;
    },
    isInteractive: stdout.isTTY,
    hasColor: hasColor(stdout),
    isInteractiveError: stderr.isTTY,
    hasErrorColor: hasColor(stderr),
    columns: stdout.isTTY ? stdout.columns : undefined,
    get ask() {
      // Only here: to look at standard input loads what reads it.
      return process.stdin.isTTY && stderr.isTTY ? ask : undefined;
    },
  };
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  // On standard error, so that results can still go to a file.
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = Promise.withResolvers<string>();
  // Ctrl+D or Ctrl+C is no.
  lines.once('close', () => answer.resolve(''));
  lines.question(question).then(answer.resolve, answer.reject);
  try {
    return await answer.promise;
  } finally {
    lines.close();
  }
}

function hasColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && stream.hasColors();
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** `text` in a style, where the reader's terminal has them. */
export type Paint = (style: Style, text: string) => string;

export function painter({ hasColor }: Pick<Terminal, 'hasColor'>): Paint {
  return (style, text) => (hasColor && text !== '' ? styleText(style, text, { validateStream: false }) : text);
}
