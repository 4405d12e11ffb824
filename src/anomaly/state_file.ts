/**
 * What was learnt, kept over restarts. One file: a head of 32 bytes (magic, version, bytes of a model, seconds of the interval,
 * number of series, number of groups), then each series (id, then its model, then its part of its group's directions) and each
 * group (id, variances, model), and a CRC-32 of all. It is replaced as a whole, or not at all.
 */
import { readFileSync, renameSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { checkOrdinaryFile, makeFolder } from '../state_directory.ts';
import { RANK } from './group.ts';
import { MODEL_BYTES } from './state.ts';

const MAGIC = 0x534e_4131; // SNA1
const VERSION = 1;
const HEAD = 32;
const LOADINGS = RANK * 8;
const VARIANCES = (RANK + 2) * 8;
const SERIES_BYTES = 8 + MODEL_BYTES + LOADINGS;
const GROUP_BYTES = 8 + VARIANCES + MODEL_BYTES;

export interface KeptSeries {
  readonly id: number;
  readonly model: Uint8Array;
  readonly loadings: Float64Array;
}

export interface KeptGroup {
  readonly id: number;
  readonly model: Uint8Array;
  readonly variances: Float64Array;
}

export interface Kept {
  readonly interval_s: number;
  readonly series: readonly KeptSeries[];
  readonly groups: readonly KeptGroup[];
}

export function encodeKept({ interval_s, series, groups }: Kept): Uint8Array {
  const bytes = new Uint8Array(HEAD + series.length * SERIES_BYTES + groups.length * GROUP_BYTES + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, VERSION);
  view.setUint32(8, MODEL_BYTES);
  view.setFloat64(12, interval_s);
  view.setUint32(20, series.length);
  view.setUint32(24, groups.length);
  let at = HEAD;
  for (const { id, model, loadings } of series) {
    view.setFloat64(at, id);
    bytes.set(model, at + 8);
    bytes.set(bytesOf(loadings), at + 8 + MODEL_BYTES);
    at += SERIES_BYTES;
  }
  for (const { id, model, variances } of groups) {
    view.setFloat64(at, id);
    bytes.set(bytesOf(variances), at + 8);
    bytes.set(model, at + 8 + VARIANCES);
    at += GROUP_BYTES;
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)));
  return bytes;
}

/** @throws {SyntaxError} the file is damaged, or of another version */
export function decodeKept(bytes: Uint8Array): Kept {
  const refuse = (found: string): never => {
    throw new SyntaxError(`Cannot read what was learnt: ${found}`);
  };
  if (bytes.length < HEAD + 4) refuse(`${bytes.length} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC) refuse('it begins otherwise');
  if (view.getUint32(4) !== VERSION || view.getUint32(8) !== MODEL_BYTES) refuse('it is of another version');
  const [seriesCount, groupCount] = [view.getUint32(20), view.getUint32(24)];
  const length = HEAD + seriesCount * SERIES_BYTES + groupCount * GROUP_BYTES + 4;
  if (length !== bytes.length) refuse(`it has ${bytes.length} bytes instead of ${length}`);
  if (crc32(bytes.subarray(0, length - 4)) !== view.getUint32(length - 4)) refuse('its checksum differs');
  let at = HEAD;
  // Not `slice`, which of a Buffer is no copy.
  const take = (count: number): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes.subarray(at, (at += count)));
  const takeId = (): number => new DataView(take(8).buffer).getFloat64(0);
  const takeNumbers = (count: number): Float64Array => new Float64Array(take(count).buffer);
  const series = Array.from({ length: seriesCount }, () => ({
    id: takeId(),
    model: take(MODEL_BYTES),
    loadings: takeNumbers(LOADINGS),
  }));
  const groups = Array.from({ length: groupCount }, () => {
    const id = takeId();
    const variances = takeNumbers(VARIANCES);
    return { id, variances, model: take(MODEL_BYTES) };
  });
  return { interval_s: view.getFloat64(12), series, groups };
}

function bytesOf(numbers: Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/**
 * What the file holds; undefined where there is none.
 * @throws {SyntaxError} it is damaged: then it was set aside as `.bad`
 * @throws {TypeError} it is no file
 */
export function loadKept(path: string): Kept | undefined {
  checkOrdinaryFile(path);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return decodeKept(bytes);
  } catch (error) {
    renameSync(path, `${path}.bad`);
    throw error;
  }
}

/** Whole or not at all, by a file beside it that takes its place when it is on the disk. */
export async function saveKept(path: string, bytes: Uint8Array): Promise<void> {
  checkOrdinaryFile(path);
  makeFolder(dirname(path));
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}
