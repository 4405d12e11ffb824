/**
 * Which file is which: device and inode say it while a file is open, its first bytes say it for ever, and the bytes before
 * the position say whether what was read is still what is there.
 */
import { crc32 } from 'node:zlib';
import { sha1 } from '../../src/text/sha1.ts';

/** Bytes at the beginning that tell a file from others. */
export const HEAD_BYTES = 1024;
/** Bytes before the position that must not have changed. */
export const CHECK_BYTES = 256;

/** The first bytes of a file, as many as it had: up to {@link HEAD_BYTES}. */
export interface Head {
  readonly length: number;
  /** Hexadecimal. */
  readonly digest: string;
}

/** The bytes right before a position. */
export interface Check {
  readonly length: number;
  readonly crc: number;
}

export const NO_HEAD: Head = { length: 0, digest: '' };
export const NO_CHECK: Check = { length: 0, crc: 0 };

/** Where reading goes on, and what is known of what comes before. */
export interface Position {
  /** Bytes from the beginning of the file; of its content, where that is compressed. */
  readonly offset: number;
  /**
   * From `offset` on parts of records may wait for the rest of them. Records that lines before this place completed were
   * handed over already.
   */
  readonly emitted: number;
  /** `offset` is inside a line: what is before it was handed over, or was left out for its length. */
  readonly inLine: '' | 'continued' | 'left_out';
  readonly check: Check;
}

/** In place of {@link Position.emitted}: a compressed file was read to its end. */
export const WHOLE = Number.MAX_SAFE_INTEGER;

export const BEGINNING: Position = { offset: 0, emitted: 0, inLine: '', check: NO_CHECK };

export function headOf(bytes: Uint8Array): Head {
  const head = bytes.subarray(0, HEAD_BYTES);
  return head.length === 0 ? NO_HEAD : { length: head.length, digest: sha1(head).toString('hex') };
}

/** Whether a file that begins with `bytes` may be the one with that head, grown since. */
export function beginsWith(bytes: Uint8Array, head: Head): boolean {
  return bytes.length >= head.length && headOf(bytes.subarray(0, head.length)).digest === head.digest;
}

/** @param bytes the bytes before a position, at most {@link CHECK_BYTES} of them count */
export function checkOf(bytes: Uint8Array): Check {
  const last = bytes.subarray(Math.max(0, bytes.length - CHECK_BYTES));
  return last.length === 0 ? NO_CHECK : { length: last.length, crc: crc32(last) };
}
