/** Keeps silences in a file: each change is on the disk before it is answered. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { ComponentLog } from '../component.ts';
import { makeFolder } from '../state_directory.ts';
import { compileMatchers } from './matchers.ts';
import type { Silence, SilenceKeeper } from './silences.ts';

const FILE = v.object({
  version: v.literal(1),
  silences: v.array(
    v.object({
      id: v.string(),
      matchers: v.array(v.object({ name: v.string(), op: v.picklist(['=', '!=', '=~', '!~']), value: v.string() })),
      startsAt_ms: v.number(),
      endsAt_ms: v.number(),
      updatedAt_ms: v.number(),
      createdBy: v.string(),
      comment: v.string(),
      untilResolved: v.boolean(),
    }),
  ),
});

export function createSilenceFile(path: string, log: Pick<ComponentLog, 'warn' | 'once' | 'over'>): SilenceKeeper {
  return {
    load() {
      let text: string;
      try {
        text = readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn(`Cannot read the silences in "${path}": ${messageOf(error)}; it goes on without them`);
        }
        return [];
      }
      const silences = parse(text);
      if (silences !== undefined) return silences;
      setAside(path, log);
      return [];
    },
    save(silences) {
      try {
        replace(path, `${JSON.stringify({ version: 1, silences })}\n`);
        log.over('silences', 'Silences can be kept again');
      } catch (error) {
        log.once('silences', `Cannot keep the silences in "${path}": ${messageOf(error)}; a restart would forget them`);
      }
    },
  };
}

function parse(text: string): readonly Silence[] | undefined {
  try {
    const { silences } = v.parse(FILE, JSON.parse(text));
    for (const { matchers } of silences) compileMatchers(matchers);
    return silences;
  } catch {
    // What is wrong in it is of no use to anybody: it was not written here, or is damaged.
    return undefined;
  }
}

function setAside(path: string, log: Pick<ComponentLog, 'warn'>): void {
  const message = 'Cannot use the kept silences: the file is damaged';
  try {
    renameSync(path, `${path}.bad`);
    log.warn(`${message}; it is set aside, and alerts are no longer silenced`, { file: `${path}.bad` });
  } catch (error) {
    log.warn(`${message}, and cannot be set aside: ${messageOf(error)}`, { file: path });
  }
}

/** Whole or not at all, whatever ends the process. */
function replace(path: string, text: string): void {
  const beside = `${path}.new`;
  makeFolder(dirname(path));
  const fd = openSync(beside, 'w', 0o600);
  try {
    // On a disk that is nearly full, one call of write may write a part and call that success.
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, path);
}
