/** label_replace and label_join. */
import type { Labels } from '../../store/queryable.ts';
import { compileRegExp, type LinearRegExp, type Match } from '../../text/regexp.ts';
import type { Call } from '../ast.ts';
import { PromqlError } from '../errors.ts';
import type { CallContext, WholeFunction } from '../functions.ts';
import { labelsChanged } from '../labels.ts';
import type { Vector } from '../values.ts';
import { positionOf } from './annotate.ts';

const labelReplace: WholeFunction = {
  kind: 'whole',
  name: 'label_replace',
  arguments: ['vector', 'string', 'string', 'string', 'string'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([vector, ...strings], context) {
    const [target, template, source] = strings as [string, string, string, string];
    const pattern = patternOf(strings[3] as string, context);
    checkName(target, 'destination', context, 1);
    return mapLabels(vector as Vector, context, (labels) => {
      const match = pattern.find(labels.get(source) ?? '');
      return match === undefined ? labels : labelsChanged(labels, [[target, expand(template, match, pattern)]]);
    });
  },
};

const labelJoin: WholeFunction = {
  kind: 'whole',
  name: 'label_join',
  arguments: ['vector', 'string', 'string', 'string'],
  variadic: -1,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([vector, ...strings], context) {
    const [target, separator, ...sources] = strings as [string, string, ...string[]];
    for (const [index, source] of sources.entries()) checkName(source, 'source', context, index + 3);
    checkName(target, 'destination', context, 1);
    return mapLabels(vector as Vector, context, (labels) => {
      const joined = sources.map((source) => labels.get(source) ?? '').join(separator);
      return labelsChanged(labels, [[target, joined]]);
    });
  },
};

export const labelFunctions = [labelJoin, labelReplace] as const;

function mapLabels(vector: Vector, context: CallContext, map: (labels: Labels) => Labels): Vector {
  const { labels, values, histograms } = vector;
  return { labels: labels.map((one) => context.derive(one, map)), values, histograms };
}

/** Once for all steps. */
const patterns = new WeakMap<Call, LinearRegExp>();

function patternOf(source: string, context: CallContext): LinearRegExp {
  const known = patterns.get(context.call);
  if (known !== undefined) return known;
  try {
    const pattern = compileRegExp(`^(?s:${source})$`);
    patterns.set(context.call, pattern);
    return pattern;
  } catch (cause) {
    const message = `invalid regular expression in label_replace(): ${source}`;
    throw new PromqlError('execution', message, positionOf(context, 4), { cause });
  }
}

function checkName(name: string, role: string, context: CallContext, index: number): void {
  if (name !== '') return;
  const message = `invalid ${role} label name in ${context.call.function.name}(): ${name}`;
  throw new PromqlError('execution', message, positionOf(context, index));
}

/** As Go's regexp.Expand: `$1`, `$name`, `${name}`, `$$`; groups that are not there are empty. */
function expand(template: string, match: Match, pattern: LinearRegExp): string {
  return template.replaceAll(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gv,
    (whole, bare?: string, braced?: string) => {
      if (whole === '$$') return '$';
      const name = bare ?? braced!;
      const index = /^(0|[1-9]\d{0,7})$/.test(name) ? Number(name) : pattern.groupNames.get(name);
      return (index === undefined ? undefined : match.groups[index]) ?? '';
    },
  );
}
