/** Reads rule files that may be anything: a pipe nobody writes to, a device without an end, a folder, no text. */
import { resolve } from 'node:path';
import { decodeText, readLimited, reasonOf } from '../config/limited_file.ts';

/** Thousands of rules; more is no rule file. */
const MOST_BYTES = 16 * 1024 * 1024;

/** @throws {Error} why it cannot be read, with the whole path */
export function readRuleText(path: string): string {
  try {
    return decodeText(readLimited(path, MOST_BYTES));
  } catch (error) {
    const full = resolve(path);
    const where = full === path ? '' : ` (${full})`;
    throw new Error(`Cannot read the rule file "${path}"${where}: ${reasonOf(error)}`, { cause: error });
  }
}
