/** Which devices, interfaces or mounts a receiver reports, as users say it: two lists of globs. */
import * as v from 'valibot';
import { compileGlob } from './glob.ts';
import { compilePatterns } from './pattern.ts';

/** A list of globs, each checked when the configuration is read. */
export function globs() {
  return v.array(
    v.pipe(
      v.string('a glob such as "eth*"'),
      v.check(isGlob, (issue) => reasonOf(issue.input)),
      v.metadata({ format: 'glob' }),
    ),
  );
}

/** A function that says whether a name is wanted: it fits an `include`, or there is none, and no `exclude`. */
export function createNameFilter(include: readonly string[], exclude: readonly string[]): (name: string) => boolean {
  const isIncluded = include.length === 0 ? () => true : compilePatterns('glob', include);
  const isExcluded = exclude.length === 0 ? () => false : compilePatterns('glob', exclude);
  return (name) => isIncluded(name) && !isExcluded(name);
}

function isGlob(source: string): boolean {
  return reasonOf(source) === '';
}

function reasonOf(source: string): string {
  try {
    compileGlob(source);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
