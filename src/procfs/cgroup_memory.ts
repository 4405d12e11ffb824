/** How much memory this process may use: the limit of its control groups. */
import type { ReadText } from './container_id.ts';

/**
 * Bytes that the strictest of this process's control groups allows, or undefined where none has a limit.
 * Reads this process's own `/proc/self/cgroup` and `/sys/fs/cgroup`, whatever machine is measured.
 */
export function readMemoryLimit(readText: ReadText): number | undefined {
  let limit = Infinity;
  for (const { folder, file, path } of memoryGroups(attempt(readText, '/proc/self/cgroup') ?? '')) {
    // A limit on a group holds for all below it. In a namespace the path may lie outside of what is mounted: its root
    // is then the group itself, which the last step reads.
    for (let group = path; ; group = group.slice(0, group.lastIndexOf('/'))) {
      limit = Math.min(limit, parseLimit(attempt(readText, `${folder}${group}/${file}`)));
      if (group === '') break;
    }
  }
  return limit === Infinity ? undefined : limit;
}

interface MemoryGroup {
  readonly folder: string;
  readonly file: string;
  /** '' for the root. */
  readonly path: string;
}

/** From lines as `0::/user.slice/a.scope` (version 2) and `9:memory:/docker/8d…` (version 1). */
function memoryGroups(cgroup: string): MemoryGroup[] {
  const groups: MemoryGroup[] = [];
  for (const line of cgroup.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const controllers = match[1]!;
    const path = match[2] === '/' ? '' : match[2]!;
    if (controllers === '') groups.push({ folder: '/sys/fs/cgroup', file: 'memory.max', path });
    else if (controllers.split(',').includes('memory')) {
      groups.push({ folder: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes', path });
    }
  }
  return groups;
}

/** `max` in version 2 and a number near 2^63 in version 1 are no limit. */
function parseLimit(text: string | undefined): number {
  const bytes = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : Infinity;
  return bytes >= 2 ** 60 ? Infinity : bytes;
}

function attempt(readText: ReadText, path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    // No such group or no such version of control groups: it sets no limit.
    return undefined;
  }
}
