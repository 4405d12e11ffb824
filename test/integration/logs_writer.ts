/**
 * Writes numbered lines into two files that are rotated all the time: `renamed.log` by rename, `truncated.log` by copying
 * and truncating, between two writes, so that the copying loses nothing. Arguments: folder, lines a second in all, seconds.
 * Prints how many lines each file got.
 */
import { closeSync, copyFileSync, openSync, renameSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [, , folder, rateText, secondsText] = process.argv as [string, string, string, string, string];
const rate = Number(rateText) / 2;
const end_ms = Number(secondsText) * 1000;
const ROTATION_MS = 1000;
const TICK_MS = 10;
const FILLING = 'some words that make the line as long as lines usually are, in the logs of programs';

const renamed = { name: 'renamed', fd: open('renamed'), written: 0 };
const truncated = { name: 'truncated', fd: open('truncated'), written: 0 };
let rotations = 0;
let rotated_ms = 0;

function open(name: string): number {
  return openSync(join(folder, `${name}.log`), 'a');
}

function writeUpTo(file: typeof renamed, count: number): void {
  let text = '';
  for (; file.written < count; file.written++) text += `${file.name} ${file.written} ${FILLING}\n`;
  if (text !== '') writeSync(file.fd, text);
}

function rotate(): void {
  rotations += 1;
  const path = (name: string): string => join(folder, `${name}.log`);
  renameSync(path('renamed'), `${path('renamed')}.${rotations}`);
  // What a program writes that has not noticed yet.
  writeUpTo(renamed, renamed.written + 5);
  closeSync(renamed.fd);
  renamed.fd = open('renamed');
  copyFileSync(path('truncated'), `${path('truncated')}.${rotations}`);
  truncateSync(path('truncated'));
}

const start_ms = performance.now();
const timer = setInterval(() => {
  const elapsed_ms = Math.min(end_ms, performance.now() - start_ms);
  const due = Math.floor((elapsed_ms / 1000) * rate);
  writeUpTo(renamed, due);
  writeUpTo(truncated, due);
  if (elapsed_ms - rotated_ms >= ROTATION_MS) {
    rotated_ms = elapsed_ms;
    rotate();
  }
  if (elapsed_ms < end_ms) return;
  clearInterval(timer);
  process.stdout.write(JSON.stringify({ renamed: renamed.written, truncated: truncated.written, rotations }));
}, TICK_MS);
