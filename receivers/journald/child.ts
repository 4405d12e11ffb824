/** One journalctl(1) and what it writes. */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface Child {
  readonly output: Readable;
  /** What it has said on stderr, at most the end of it. */
  said(): string;
  /** Resolves when it ended: `code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Ends it; kills it where it takes longer than it may. */
  end(): Promise<void>;
}

const MAX_SAID = 2000;
const KILL_AFTER_MS = 2000;

/**
 * @param onSaid told of what it says on stderr, as that some entries are not to be seen
 * @throws {Error} with the system's `code`: it cannot be started
 */
export async function startChild(
  command: string,
  args: readonly string[],
  onSaid: (text: string) => void,
): Promise<Child> {
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0' },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID);
    onSaid(text.trim().slice(0, MAX_SAID));
  });
  const { promise: ended, resolve: onEnded } = Promise.withResolvers<string>();
  child.once('exit', (code, signal) => onEnded(signal === null ? `code ${code}` : `signal ${signal}`));
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      onEnded('an error');
      reject(error);
    });
  });
  return {
    output: child.stdout,
    said: () => said.trim(),
    ended,
    async end() {
      child.kill();
      const kill = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await ended;
      clearTimeout(kill);
    },
  };
}
