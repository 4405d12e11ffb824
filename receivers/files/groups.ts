/** Names of groups, from the `/etc/group` of the measured machine. */
import { statSync } from 'node:fs';
import type { Host } from '../../src/procfs/host.ts';
import { parsePasswd } from '../../src/procfs/process/owners.ts';

const PATH = '/etc/group';

/** A function from a group's number to its name; undefined where there is none. */
export function createGroups(host: Host): (gid: number) => string | undefined {
  let names: ReadonlyMap<number, string> = new Map();
  let modified_ms = NaN;

  function update(): void {
    try {
      const { mtimeMs } = statSync(host.resolve(PATH));
      if (mtimeMs === modified_ms) return;
      modified_ms = mtimeMs;
      // Lines as `adm:x:4:syslog,user` begin like those of /etc/passwd.
      names = parsePasswd(host.readText(PATH));
    } catch {
      // Without the file groups have numbers only.
    }
  }

  return (gid) => {
    if (!names.has(gid)) update();
    return names.get(gid);
  };
}
