/** Reads a configuration file by its extension. Another language is one more line in the table. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { extname } from 'node:path';
import type { ConfigProblem } from '../errors.ts';
import { parseYaml, type ParsedSource } from './yaml.ts';

/** Far more than any configuration needs; an error is better than an agent that swallows a log file. */
export const MAX_CONFIG_BYTES = 4 * 2 ** 20;

type Loader = (text: string, file: string) => ParsedSource;

const LOADERS: Readonly<Record<string, Loader>> = { '.yaml': parseYaml, '.yml': parseYaml, '.json': parseJson };
export const CONFIG_EXTENSIONS = Object.keys(LOADERS);

export interface Source extends ParsedSource {
  readonly file: string;
  readonly text: string;
}

/** Never throws: what is wrong is in `problems`. */
export function readSource(file: string): Source {
  const loader = Object.hasOwn(LOADERS, extname(file)) ? LOADERS[extname(file)]! : undefined;
  if (loader === undefined) {
    const found = `its name ends in none of ${CONFIG_EXTENSIONS.join(', ')}`;
    return { file, text: '', root: undefined, problems: [{ message: `Cannot read ${file}: ${found}`, path: '' }] };
  }
  let text: string;
  try {
    text = decodeText(readLimited(file, MAX_CONFIG_BYTES));
  } catch (error) {
    const problem = { message: `Cannot read ${file}: ${reasonOf(error)}`, path: '', hint: hintOf(error) };
    return { file, text: '', root: undefined, problems: [problem] };
  }
  return { file, text, ...loader(text, file) };
}

/** JSON goes through the YAML parser for its places, after JSON's own parser has accepted it. */
function parseJson(text: string, file: string): ParsedSource {
  if (text.trim() === '') return { root: undefined, problems: [] };
  const parsed = parseYaml(text, file);
  try {
    JSON.parse(text);
  } catch (error) {
    return { root: undefined, problems: [parsed.problems[0] ?? jsonProblem(error as SyntaxError, text, file)] };
  }
  return parsed;
}

function jsonProblem(error: SyntaxError, text: string, file: string): ConfigProblem {
  // V8: `Expected ',' or '}' after property value in JSON at position 12 (line 1 column 13)`
  const isCut = error.message.includes('end of JSON input');
  const position = Number(/at position (\d+)/.exec(error.message)?.[1] ?? (isCut ? text.trimEnd().length : 0));
  const before = text.slice(0, position).split('\n');
  return {
    message: `Cannot read ${file}: this is not JSON`,
    path: '',
    place: { file, line: before.length, column: before.at(-1)!.length + 1, length: 1 },
    hint: 'JSON has no comments, no trailing commas, and quotes around every key',
  };
}

/**
 * At most `limit` bytes of a regular file.
 * @throws {RangeError} it is larger @throws {Error} with the system's `code`
 */
export function readLimited(file: string, limit: number): Buffer {
  // Opening a pipe that nobody writes to would wait for ever without O_NONBLOCK (0 where a system has none).
  const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory()) throw new TypeError('it is a folder');
    // A device such as /dev/zero never ends, a terminal waits.
    if (!status.isFile()) throw new TypeError('it is no ordinary file');
    const chunks: Buffer[] = [];
    for (let total = 0; ;) {
      const chunk = Buffer.allocUnsafe(65_536);
      const count = readSync(descriptor, chunk);
      if (count === 0) return Buffer.concat(chunks);
      total += count;
      if (total > limit) throw new RangeError(`it is larger than ${limit} bytes`);
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** @throws {TypeError} the bytes are no UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TypeError('it is not UTF-8 text', { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  ELOOP: 'its links lead in a circle',
};

/** Why a file cannot be read, without its contents. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (REASONS[code] ?? code);
}

function hintOf(error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES') return undefined;
  return 'run as a user who may read it, or give the file to the agent’s group (chmod 640)';
}
