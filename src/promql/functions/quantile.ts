/** The quantile of numbers, for quantile_over_time and the aggregation `quantile`. */

/** Sorts the numbers; NaN counts as the smallest. Between two of them it lies by linear interpolation. */
export function quantileOf(quantile: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(quantile)) return Number.NaN;
  if (quantile < 0) return -Infinity;
  if (quantile > 1) return Infinity;
  values.sort();
  // A typed array sorts NaN behind all else.
  const nanCount = values.length - firstNan(values);
  const at = (index: number): number => (index < nanCount ? Number.NaN : values[index - nanCount]!);
  const rank = quantile * (values.length - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(values.length - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return at(lower) * (1 - weight) + at(upper) * weight;
}

function firstNan(values: Float64Array): number {
  let index = values.length;
  while (index > 0 && Number.isNaN(values[index - 1])) index--;
  return index;
}

/** What Prometheus warns of where a quantile is none. */
export function invalidQuantile(quantile: number): string | undefined {
  if (quantile >= 0 && quantile <= 1) return undefined;
  return `quantile value should be between 0 and 1, got ${formatShort(quantile)}`;
}

/** As Go's `%g`: the shortest digits, with an exponent from a million on and below 0.0001. */
export function formatShort(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (value === 0 || (power >= -4 && power < 6)) return Number(value).toString();
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
