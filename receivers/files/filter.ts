/** Which names are meant. */
import { compilePatterns } from '../../src/text/pattern.ts';

export interface PathFilter {
  /** @param path gives the whole path, where it is needed */
  wants(name: string, path: () => string, isFolder: boolean): boolean;
  /** Whether the same name may be meant in one folder and not in another. */
  readonly looksAtPaths: boolean;
}

/**
 * A glob without a slash is about names, at any depth; one with a slash about whole paths. `exclude` is about folders too,
 * with everything in them; `include` about files only: folders have to be entered to find them.
 */
export function createPathFilter(
  include: readonly string[],
  exclude: readonly string[],
  isCanary: (name: string) => boolean = () => false,
): PathFilter {
  const included = createMatcher(include);
  const excluded = createMatcher(exclude);
  return {
    looksAtPaths: included.looksAtPaths || excluded.looksAtPaths,
    wants(name, path, isFolder) {
      if (isCanary(name)) return true;
      if (excluded.matches(name, path)) return false;
      return isFolder || include.length === 0 || included.matches(name, path);
    },
  };
}

interface Matcher {
  readonly looksAtPaths: boolean;
  matches(name: string, path: () => string): boolean;
}

function createMatcher(globs: readonly string[]): Matcher {
  const ofPaths = globs.filter((glob) => glob.includes('/'));
  const ofNames = globs.filter((glob) => !glob.includes('/'));
  const fitsPath = ofPaths.length === 0 ? () => false : compilePatterns('glob', ofPaths);
  const fitsName = ofNames.length === 0 ? () => false : compilePatterns('glob', ofNames);
  const looksAtPaths = ofPaths.length > 0;
  return { looksAtPaths, matches: (name, path) => fitsName(name) || (looksAtPaths && fitsPath(path())) };
}
