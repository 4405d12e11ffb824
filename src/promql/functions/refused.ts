/** Functions that Prometheus has only behind its flag promql-experimental-functions: known, and refused by name. */
import type { ValueType } from '../ast.ts';
import { PromqlError } from '../errors.ts';
import type { WholeFunction } from '../functions.ts';

const EXPERIMENTAL: readonly (readonly [name: string, types: readonly ValueType[], variadic?: number])[] = [
  ['double_exponential_smoothing', ['matrix', 'scalar', 'scalar']],
  ['info', ['vector', 'vector'], 1],
  ['mad_over_time', ['matrix']],
  ['sort_by_label', ['vector', 'string'], -1],
  ['sort_by_label_desc', ['vector', 'string'], -1],
  ['ts_of_last_over_time', ['matrix']],
  ['ts_of_max_over_time', ['matrix']],
  ['ts_of_min_over_time', ['matrix']],
  // Of releases after 3.5.
  ['first_over_time', ['matrix']],
  ['ts_of_first_over_time', ['matrix']],
  // Of releases before 3.0, renamed to double_exponential_smoothing.
  ['holt_winters', ['matrix', 'scalar', 'scalar']],
];

export const refusedFunctions = EXPERIMENTAL.map(([name, types, variadic = 0]): WholeFunction => {
  const refused = `function "${name}" is experimental in Prometheus and not supported here`;
  return {
    kind: 'whole',
    name,
    arguments: types,
    variadic,
    returns: 'vector',
    dependsOnTime: true,
    refused,
    evaluate(_values, { call }) {
      throw new PromqlError('execution', refused, call.position);
    },
  };
});
