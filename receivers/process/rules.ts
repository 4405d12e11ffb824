/** Which processes are meant, as users say it: by program, owner, unit, container or command line. */
import * as v from 'valibot';
import { option } from '../../src/config/options.ts';
import type { Identity } from '../../src/procfs/process/identity.ts';
import { globs } from '../../src/text/name_filter.ts';
import { compilePatterns } from '../../src/text/pattern.ts';

const rule = v.pipe(
  v.strictObject({
    executable: option(globs(), 'Names of executable files, as globs, one of which must fit.', []),
    owner: option(globs(), 'Names of users, as globs, one of which must fit.', []),
    unit: option(globs(), 'Units of systemd, as globs such as "nginx.service", one of which must fit.', []),
    container: option(globs(), 'Ids of containers, as globs, one of which must fit; "*" is any container.', []),
    command_line: option(
      globs(),
      'Whole command lines, arguments joined by blanks, as globs, one of which must fit; what is matched is not shown.',
      [],
    ),
  }),
  v.check((given) => Object.values(given).some((list) => list.length > 0), 'a rule with at least one condition'),
);

export type Rule = v.InferOutput<typeof rule>;

/** A list of rules, any of which may fit; within one all that is given must. */
export function rules() {
  return v.array(rule);
}

/** A function that says whether any rule fits a process; it looks only at what the rules name. */
export function compileRules(given: readonly Rule[]): (identity: Identity) => boolean {
  const compiled = given.map((one) => {
    const tests: ((identity: Identity) => boolean)[] = [];
    const add = (patterns: readonly string[], read: (identity: Identity) => string | undefined): void => {
      if (patterns.length === 0) return;
      const fits = compilePatterns('glob', patterns);
      tests.push((identity) => {
        const text = read(identity);
        return text !== undefined && fits(text);
      });
    };
    add(one.executable, ({ executable }) => executable);
    add(one.owner, ({ owner }) => owner);
    add(one.unit, ({ cgroup }) => cgroup.unit);
    add(one.container, ({ cgroup }) => cgroup.containerId);
    add(one.command_line, ({ args }) => args.join(' '));
    return tests;
  });
  return (identity) => compiled.some((tests) => tests.every((test) => test(identity)));
}
