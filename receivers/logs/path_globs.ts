/** Globs over whole paths: `*` and `?` stop at slashes, `**` stands for any number of folders. */
import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { compileGlob } from '../../src/text/glob.ts';

export interface PathGlob {
  readonly pattern: string;
  matches(path: string): boolean;
  /**
   * Visits each path that may fit: what it is, is for the visitor to look at. Links to folders are followed, though not by
   * `**`, which could go round in circles.
   * @param onUnreadable told of folders that cannot be listed, other than those that are not there
   */
  expand(visit: (path: string) => void, onUnreadable: (folder: string, error: Error) => void): Promise<void>;
}

/** One part of a path: a name that is meant as it is, a test for names, or any number of folders. */
type Segment = string | ((name: string) => boolean) | typeof ANY_FOLDERS;
const ANY_FOLDERS = Symbol('**');

/** @throws {SyntaxError} @throws {RangeError} */
export function createPathGlob(pattern: string): PathGlob {
  const segments = pattern.split('/').filter((segment, index) => index > 0 && segment !== '');
  const compiled = segments.map(compileSegment);

  return {
    pattern,
    matches: (path) => fits(compiled, 0, path.split('/').slice(1), 0),
    async expand(visit, onUnreadable) {
      const seen = new Set<string>();
      const see = (path: string): void => {
        if (seen.has(path)) return;
        seen.add(path);
        visit(path);
      };

      async function walk(folder: string, index: number): Promise<void> {
        const segment = compiled[index]!;
        const isLast = index === compiled.length - 1;
        if (typeof segment === 'string') {
          const path = join(folder, segment);
          return isLast ? see(path) : walk(path, index + 1);
        }
        if (segment === ANY_FOLDERS && !isLast) await walk(folder, index + 1);
        for (const entry of await list(folder, onUnreadable)) {
          const path = join(folder, entry.name);
          if (segment === ANY_FOLDERS) {
            if (entry.isDirectory()) await walk(path, index);
            else if (isLast) see(path);
          } else if (segment(entry.name)) {
            if (isLast) see(path);
            else if (entry.isDirectory() || entry.isSymbolicLink()) await walk(path, index + 1);
          }
        }
      }

      await walk('/', 0);
    },
  };
}

async function list(folder: string, onUnreadable: (folder: string, error: Error) => void) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') onUnreadable(folder, error as Error);
    return [];
  }
}

function compileSegment(segment: string): Segment {
  if (segment === '**') return ANY_FOLDERS;
  return /[*?[{\\]/.test(segment) ? compileGlob(segment) : segment;
}

function fits(segments: readonly Segment[], index: number, names: readonly string[], at: number): boolean {
  if (index === segments.length) return at === names.length;
  const segment = segments[index]!;
  if (segment === ANY_FOLDERS) {
    for (let end = at; end <= names.length; end++) {
      if (fits(segments, index + 1, names, end)) return true;
    }
    return false;
  }
  if (at === names.length) return false;
  const isFitting = typeof segment === 'string' ? segment === names[at] : segment(names[at]!);
  return isFitting && fits(segments, index + 1, names, at + 1);
}

/** A list of globs over paths, each checked when the configuration is read. */
export function pathGlobs() {
  return v.array(
    v.pipe(
      v.string('a path such as "/var/log/*.log"'),
      v.check(isAbsolute, 'an absolute path such as "/var/log/*.log"'),
      v.check(
        (pattern) => reasonOf(pattern) === '',
        (issue) => reasonOf(issue.input),
      ),
      v.metadata({ format: 'glob' }),
    ),
  );
}

/** `**` after `**` would only multiply the ways through a tree. */
function reasonOf(pattern: string): string {
  if (pattern.includes('**/**')) return 'a path with one ** in a row';
  try {
    createPathGlob(pattern);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
