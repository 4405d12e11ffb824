/** Lines by a regular expression of the user's, whose named groups are the fields. */
import * as v from 'valibot';
import { optional } from '../config/options.ts';
import type { AnyValue } from '../model/attributes.ts';
import { compileRegExp, type LinearRegExp } from '../text/regexp.ts';
import { whatIsWrongWith } from '../text/pattern.ts';
import type { FieldsReader } from './fields.ts';
import { setField } from './fields.ts';
import type { LineParser } from './format.ts';

export const patternOption = optional(
  v.pipe(
    v.string(),
    v.minLength(1, 'a regular expression'),
    v.rawCheck(({ dataset, addIssue }) => {
      const wrong = dataset.typed
        ? (whatIsWrongWith('regexp', dataset.value) ?? whatIsMissing(dataset.value))
        : undefined;
      if (wrong !== undefined) addIssue({ message: wrong });
    }),
  ),
  'With format: regex, the regular expression (RE2) that lines match; its named groups, as (?P<level>\\w+), are the fields. A group called message is the text; the whole line if there is none.',
);

function whatIsMissing(pattern: string): string | undefined {
  if (compileRegExp(pattern).groupNames.size > 0) return undefined;
  return 'it has no named group, as (?P<message>.*), so that it would find nothing';
}

/** Of each configuration, whose sources, as files, share it: an automaton may weigh megabytes. */
const expressions = new WeakMap<object, LinearRegExp>();

export function createRegexParser(pattern: string, fields: FieldsReader, config: object): LineParser {
  let expression = expressions.get(config);
  if (expression === undefined) expressions.set(config, (expression = compileRegExp(pattern)));
  const { find, groupNames } = expression;
  const names = Array.from(groupNames);
  return {
    parse(line) {
      const match = find(line);
      if (match === undefined) return undefined;
      const found: Record<string, AnyValue> = {};
      for (const [name, index] of names) {
        const text = match.groups[index];
        // A group that took no part says nothing.
        if (text !== undefined) setField(found, name, text);
      }
      return fields.read(found, line);
    },
  };
}
