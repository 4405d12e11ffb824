/** Secrets as a configuration gives them: written out, or in a file that is read again when it changes. */
import { readFileSync, statSync } from 'node:fs';
import { messageOf } from './errors.ts';

/**
 * The secret of an option, or of the file that its `_file` twin names, without white space round it.
 * @param check says what is wrong with a secret, if anything is
 * @returns a function that gives the secret of now; where a changed file cannot be used, the secret before
 * @throws {Error} neither or both are given, or the file cannot be used now; never with a secret in its words
 */
export function createSecret(
  option: string,
  given: { reveal(): string } | undefined,
  file: string | undefined,
  check?: (text: string) => string | undefined,
): () => string {
  if ((given === undefined) === (file === undefined)) {
    throw new Error(`Cannot use auth: write either ${option} or ${option}_file`);
  }
  if (file !== undefined) return createSecretFile(file, check);
  const secret = given!.reveal();
  const problem = check?.(secret);
  if (problem !== undefined) throw new Error(`Cannot use ${option}: ${problem}`);
  return () => secret;
}

/** As {@link createSecret}, where a file is the only way. */
export function createSecretFile(path: string, check?: (text: string) => string | undefined): () => string {
  let state = stateOf(path);
  let secret = read(path, check);
  return () => {
    const now = stateOf(path);
    if (now === state) return secret;
    try {
      secret = read(path, check);
      state = now;
    } catch {
      // Being replaced just now: the next request looks again, and until then the old secret serves.
    }
    return secret;
  };
}

function read(path: string, check?: (text: string) => string | undefined): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  if (text === '') throw new Error(`Cannot read "${path}": it is empty`);
  const problem = check?.(text);
  if (problem !== undefined) throw new Error(`Cannot use what "${path}" holds: ${problem}`);
  return text;
}

/** Text that changes when the file does. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? '' : `${stat.ino}.${stat.size}.${stat.mtimeNs}`;
}
