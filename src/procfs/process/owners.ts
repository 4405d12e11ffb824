/** Names of users, from the `/etc/passwd` of the measured machine. */
import { statSync } from 'node:fs';
import type { Host } from '../host.ts';

const PATH = '/etc/passwd';

/** A function from a user's number to the name; the number as text where there is none. */
export function createOwners(host: Host): (uid: number) => string {
  let names: ReadonlyMap<number, string> = new Map();
  let modified_ms = NaN;

  /** Reads the file if it changed. */
  function update(): void {
    try {
      const { mtimeMs } = statSync(host.resolve(PATH));
      if (mtimeMs === modified_ms) return;
      modified_ms = mtimeMs;
      names = parsePasswd(host.readText(PATH));
    } catch {
      // Without the file, as in a container of a single program, users have numbers only.
    }
  }

  return (uid) => {
    if (!names.has(uid)) update();
    return names.get(uid) ?? String(uid);
  };
}

/** From lines as `postgres:x:105:113:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash`; the first of a number counts. */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const [, name, uid] of text.matchAll(/^([^:\n#]+):[^:\n]*:(\d+):/gm)) {
    if (!names.has(Number(uid))) names.set(Number(uid), name!);
  }
  return names;
}
