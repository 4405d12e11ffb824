/** What a process's control groups tell: the group, the unit of systemd and the container. */
import { containerIdOfCgroup } from '../container_id.ts';

export interface Cgroup {
  /** The line that names it, as `0::/system.slice/nginx.service`. */
  readonly line: string | undefined;
  readonly unit: string | undefined;
  readonly containerId: string | undefined;
}

/**
 * From the lines of `/proc/PID/cgroup` (cgroups(7)): that of version 2, unless the process is at its root, else that of
 * systemd's own hierarchy, else the first that is not the root.
 */
export function parseCgroup(text: string): Cgroup {
  const lines = text.split('\n').filter((line) => line !== '');
  const pathOf = (line: string): string => line.split(':').slice(2).join(':');
  const line =
    lines.find((one) => one.startsWith('0::') && pathOf(one) !== '/') ??
    lines.find((one) => one.includes(':name=systemd:') && pathOf(one) !== '/') ??
    lines.find((one) => pathOf(one) !== '/') ??
    lines[0];
  let containerId: string | undefined;
  for (const one of lines) containerId ??= containerIdOfCgroup(pathOf(one));
  return { line, unit: line === undefined ? undefined : unitOf(pathOf(line)), containerId };
}

/**
 * The first part of the path that is no slice, as sd_pid_get_unit(3) answers: `nginx.service`, `session-3.scope`;
 * `user@1000.service` for what systemd runs for a user. None where the part is no unit.
 */
function unitOf(path: string): string | undefined {
  const part = path.split('/').find((one) => one !== '' && !one.endsWith('.slice'));
  if (part === undefined || !/.\.(service|scope|socket|mount|swap|automount)$/.test(part)) return undefined;
  // A leading underscore keeps a unit's name apart from the kernel's own files (cg_escape in systemd).
  return part.startsWith('_') ? part.slice(1) : part;
}
