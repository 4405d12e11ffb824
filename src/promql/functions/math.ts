/** Functions from number to number. */
import type { MapFunction, WholeFunction } from '../functions.ts';

const toFloat = (name: string, evaluate: (value: number) => number): MapFunction => ({
  kind: 'map',
  name,
  arguments: ['vector'],
  variadic: 0,
  returns: 'vector',
  evaluate,
});

/** Go's math.Min and math.Max prefer the infinity to NaN. */
const minimum = (one: number, other: number): number =>
  one === -Infinity || other === -Infinity ? -Infinity : Math.min(one, other);
const maximum = (one: number, other: number): number =>
  one === Infinity || other === Infinity ? Infinity : Math.max(one, other);

const clampBetween = (value: number, low: number, high: number): number => maximum(low, minimum(high, value));

const clamp: MapFunction = {
  kind: 'map',
  name: 'clamp',
  arguments: ['vector', 'scalar', 'scalar'],
  variadic: 0,
  returns: 'vector',
  accepts: ([low, high]) => !(high! < low!),
  evaluate: (value, [low, high]) => clampBetween(value, low!, high!),
};

const clampMax: MapFunction = {
  kind: 'map',
  name: 'clamp_max',
  arguments: ['vector', 'scalar'],
  variadic: 0,
  returns: 'vector',
  evaluate: (value, [high]) => clampBetween(value, -Infinity, high!),
};

const clampMin: MapFunction = {
  kind: 'map',
  name: 'clamp_min',
  arguments: ['vector', 'scalar'],
  variadic: 0,
  returns: 'vector',
  evaluate: (value, [low]) => clampBetween(value, low!, Infinity),
};

const round: MapFunction = {
  kind: 'map',
  name: 'round',
  arguments: ['vector', 'scalar'],
  variadic: 1,
  returns: 'vector',
  // Ties go up. The inverse first, as Prometheus does: the last digits depend on it.
  evaluate(value, scalars) {
    const inverse = 1 / (scalars.length > 0 ? scalars[0]! : 1);
    return Math.floor(value * inverse + 0.5) / inverse;
  },
};

const pi: WholeFunction = {
  kind: 'whole',
  name: 'pi',
  arguments: [],
  variadic: 0,
  returns: 'scalar',
  dependsOnTime: false,
  evaluate: () => Math.PI,
};

/** As Go's math.Asin does it: what that loses near 1, where acos is small, has to be lost alike. */
function arcSine(value: number): number {
  const size = Math.abs(value);
  if (size > 1) return Number.NaN;
  const other = Math.sqrt(1 - size * size);
  const angle = size > 0.7 ? Math.PI / 2 - Math.atan(other / size) : Math.atan(size / other);
  return value < 0 ? -angle : value === 0 ? value : angle;
}

export const mathFunctions = [
  toFloat('abs', Math.abs),
  toFloat('acos', (value) => Math.PI / 2 - arcSine(value)),
  toFloat('acosh', Math.acosh),
  toFloat('asin', arcSine),
  toFloat('asinh', Math.asinh),
  toFloat('atan', Math.atan),
  toFloat('atanh', Math.atanh),
  toFloat('ceil', Math.ceil),
  clamp,
  clampMax,
  clampMin,
  toFloat('cos', Math.cos),
  toFloat('cosh', Math.cosh),
  toFloat('deg', (value) => (value * 180) / Math.PI),
  toFloat('exp', Math.exp),
  toFloat('floor', Math.floor),
  toFloat('ln', Math.log),
  toFloat('log10', Math.log10),
  toFloat('log2', Math.log2),
  pi,
  toFloat('rad', (value) => (value * Math.PI) / 180),
  round,
  toFloat('sgn', Math.sign),
  toFloat('sin', Math.sin),
  toFloat('sinh', Math.sinh),
  toFloat('sqrt', Math.sqrt),
  toFloat('tan', Math.tan),
  toFloat('tanh', Math.tanh),
] as const;
