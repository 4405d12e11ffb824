/** What the kernel allows a user of inotify: /proc/sys/fs/inotify, in man inotify(7). */
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';

export const LIMITS = ['max_user_watches', 'max_user_instances', 'max_queued_events'] as const;
export type Limit = (typeof LIMITS)[number];

/** The file of a limit holds one line as `192536`. @returns undefined where it cannot be read, which is said once */
export function readLimit(host: Host, limit: Limit, log: ComponentLog): number | undefined {
  const path = `/proc/sys/fs/inotify/${limit}`;
  try {
    const text = host.readText(path).trim();
    if (!/^\d+$/.test(text)) throw new SyntaxError(`${JSON.stringify(text.slice(0, 40))} is no number`);
    log.over(path, `Can read ${path} again`);
    return Number(text);
  } catch (error) {
    log.once(path, `Cannot read ${path}: ${messageOf(error)}`);
    return undefined;
  }
}
