/** Names of users and groups, from the `/etc/passwd` and `/etc/group` of the measured machine. */
import { statSync } from 'node:fs';
import type { Host } from '../host.ts';

/** A function from a user's number to the name; the number as text where there is none. */
export function createOwners(host: Host): (uid: number) => string {
  const nameOf = createNames(host, '/etc/passwd');
  return (uid) => nameOf(uid) ?? String(uid);
}

/** A function from a number to its name in `/etc/passwd` or `/etc/group`; undefined where there is none. */
export function createNames(host: Host, path: '/etc/passwd' | '/etc/group'): (number: number) => string | undefined {
  let names: ReadonlyMap<number, string> = new Map();
  let modified_ms = NaN;

  /** Reads the file if it changed. */
  function update(): void {
    try {
      const { mtimeMs } = statSync(host.resolve(path));
      if (mtimeMs === modified_ms) return;
      modified_ms = mtimeMs;
      names = parsePasswd(host.readText(path));
    } catch {
      // Without the file, as in a container of a single program, there are numbers only.
    }
  }

  return (number) => {
    if (!names.has(number)) update();
    return names.get(number);
  };
}

/**
 * From lines as `postgres:x:105:113:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash`; the first of a number
 * counts. Those of groups begin likewise: `adm:x:4:syslog,user`.
 */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const [, name, uid] of text.matchAll(/^([^:\n#]+):[^:\n]*:(\d+):/gm)) {
    if (!names.has(Number(uid))) names.set(Number(uid), name!);
  }
  return names;
}
