/** Reads a configuration file by its extension. Another language is one more line in the table. */
import { extname } from 'node:path';
import type { ConfigProblem } from '../errors.ts';
import { decodeText, readLimited, reasonOf } from './limited_file.ts';
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

function hintOf(error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES') return undefined;
  return 'run as a user who may read it, or give the file to the agent’s group (chmod 640)';
}
