/** What is kept of a file from one life of the agent to the next, as a line of text. */
import { crc32 } from 'node:zlib';
import type { Head, Position } from './identity.ts';

/** A file, as far as its lines were taken by the pipelines. */
export interface Entry {
  /** A number of its own, never used again. */
  readonly id: number;
  /** The name under which it was found first: that of its lines. */
  readonly path: string;
  /** Device and inode, as `2049:131`. */
  readonly inode: string;
  readonly head: Head;
  readonly position: Position;
  /** Its name is gone, or its content was replaced: kept to know copies and compressed forms of it. */
  readonly isOver: boolean;
}

/** A line with its checksum. */
export function encodeLine(value: unknown): string {
  const text = JSON.stringify(value);
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
}

/** Undefined where the line is damaged. */
export function decodeLine(line: string): unknown {
  const text = line.slice(9);
  if (line[8] !== ' ' || crc32(text).toString(16).padStart(8, '0') !== line.slice(0, 8)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // It has the checksum of what is no JSON: nobody but this file's writer would have made that.
    return undefined;
  }
}

/** Undefined where a line that is sound is none of an entry. */
export function toEntry(value: unknown): Entry | undefined {
  if (!isObject(value) || !isObject(value['head']) || !isObject(value['position'])) return undefined;
  const { id, path, inode, isOver, head, position } = value;
  const { offset, emitted, inLine, check } = position as Record<string, unknown>;
  const isSound =
    isCount(id) &&
    typeof path === 'string' &&
    typeof inode === 'string' &&
    typeof isOver === 'boolean' &&
    isCount(head['length']) &&
    typeof head['digest'] === 'string' &&
    isCount(offset) &&
    isCount(emitted) &&
    (inLine === '' || inLine === 'continued' || inLine === 'left_out') &&
    isObject(check) &&
    isCount(check['length']) &&
    isCount(check['crc']);
  return isSound ? (value as unknown as Entry) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
