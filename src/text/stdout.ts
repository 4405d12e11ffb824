/** The standard output of the process, for exporters that write there. */
import { messageOf, RetryableError } from '../errors.ts';

/**
 * Resolves when whoever reads took the bytes: a slow reader is waited for.
 * @throws {RetryableError} nobody reads any more
 */
export function writeStdout(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.listeners('error').includes(ignore)) process.stdout.on('error', ignore);
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(new RetryableError(`Cannot write to the standard output: ${messageOf(error)}`, { cause: error }));
    });
  });
}

/** A reader that went away (EPIPE) is an event, too, which would end the process if nobody listened. */
function ignore(): void {}
