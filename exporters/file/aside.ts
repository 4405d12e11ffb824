/** Files that were set aside: `metrics.jsonl` becomes `metrics-20261121T225752.123Z.jsonl`, which sorts by time. */
import { createReadStream, createWriteStream } from 'node:fs';
import { access, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A name that no file has yet. */
export async function asidePath(path: string, now_ms: number): Promise<string> {
  const { folder, stem, extension } = partsOf(path);
  for (let at_ms = now_ms; ; at_ms += 1) {
    const stamp = new Date(at_ms).toISOString().replaceAll(/[-:]/g, '');
    const aside = join(folder, `${stem}-${stamp}${extension}`);
    if (!(await exists(aside)) && !(await exists(`${aside}.gz`))) return aside;
  }
}

/** Replaces a file by its gzip; the name `.gz` appears when it is whole. */
export async function compressAside(aside: string): Promise<void> {
  const { createGzip } = process.getBuiltinModule('node:zlib');
  const unfinished = `${aside}.gz.tmp`;
  await pipeline(createReadStream(aside), createGzip(), createWriteStream(unfinished, { mode: 0o640 }));
  await rename(unfinished, `${aside}.gz`);
  await rm(aside);
}

/** Leaves the `max_files` youngest of those set aside of `path`. */
export async function removeOldest(path: string, max_files: number): Promise<void> {
  const { folder, stem, extension } = partsOf(path);
  const isAside = (name: string): boolean => {
    if (!name.startsWith(`${stem}-`)) return false;
    const rest = name.slice(stem.length + 1);
    const stamp = /^\d{8}T\d{6}\.\d{3}Z/.exec(rest)?.[0];
    return stamp !== undefined && (rest === stamp + extension || rest === `${stamp + extension}.gz`);
  };
  const names = (await readdir(folder)).filter(isAside).toSorted();
  for (const name of names.slice(0, Math.max(0, names.length - max_files)))
    await rm(join(folder, name), { force: true });
}

function partsOf(path: string): { folder: string; stem: string; extension: string } {
  const extension = extname(path);
  return { folder: dirname(path), stem: basename(path, extension), extension };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Whatever keeps it from being seen, it is not in the way of a rename.
    return false;
  }
}
