/**
 * Changes files as fast as it can: `node files_writer.ts FOLDER FOLDERS CHANGES SEED`. Prints what it did as JSON.
 * Files come, change, move and go in the folders that are there from the start; new folders get files and are moved.
 */
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** What was done, by kind. */
export interface Ledger {
  readonly created: string[];
  readonly deleted: string[];
  readonly renamed: (readonly [from: string, to: string])[];
  modified: number;
}

const [, , root = '', folderCount = '', changeCount = '', seed = ''] = process.argv;
const folders = Array.from({ length: Number(folderCount) }, (_, i) => `${root}/d${i % 50}/e${i}`);
const ledger: Ledger = { created: [], deleted: [], renamed: [], modified: 0 };
const files: string[] = [];
const freshFolders: string[] = [];
let state = Number(seed);
let serial = 0;

/** Mulberry32: the same changes for the same seed. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below || 0;
}
const pick = <T>(from: readonly T[]): T => from[Math.floor(random(from.length))]!;

function takeFile(): string {
  const at = Math.floor(random(files.length));
  const file = files[at]!;
  files[at] = files.at(-1)!;
  files.pop();
  return file;
}

function create(file: string): void {
  writeFileSync(file, 'x'.repeat(Math.floor(random(100))));
  ledger.created.push(file);
}

function rename(from: string, to: string): void {
  renameSync(from, to);
  ledger.renamed.push([from, to]);
}

for (let change = 0; change < Number(changeCount); change++) {
  const what = random(100);
  if (files.length < 10 || what < 35) {
    const file = `${pick(folders)}/f${serial++}.txt`;
    create(file);
    files.push(file);
  } else if (what < 65) {
    appendFileSync(pick(files), 'more');
    ledger.modified++;
  } else if (what < 84) {
    const from = takeFile();
    // Now and then over another file, as programs do that write a file beside and put it in place.
    const to = random(5) < 1 ? takeFile() : `${pick(folders)}/r${serial++}.txt`;
    rename(from, to);
    files.push(to);
  } else if (what < 95) {
    const file = takeFile();
    rmSync(file);
    ledger.deleted.push(file);
  } else if (what < 98 || freshFolders.length === 0) {
    const folder = `${pick(folders)}/n${serial++}`;
    mkdirSync(`${folder}/deep`, { recursive: true });
    ledger.created.push(folder, `${folder}/deep`);
    create(`${folder}/one`);
    create(`${folder}/deep/two`);
    freshFolders.push(folder);
  } else {
    const at = Math.floor(random(freshFolders.length));
    const to = `${pick(folders)}/m${serial++}`;
    rename(freshFolders[at]!, to);
    freshFolders[at] = to;
  }
}
process.stdout.write(JSON.stringify(ledger));
