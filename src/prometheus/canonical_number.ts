/**
 * The number as Go's `%g` writes it, because `le` and `quantile` are labels, and labels are compared as text; in
 * OpenMetrics with `.0` where it would look like an integer ("Considerations: Canonical Numbers").
 */
export function canonicalNumber(value: number, isOpenMetrics: boolean): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  if (Number.isNaN(value)) return 'NaN';
  const [digits, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const size = Math.abs(exponent);
    return `${digits}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
  }
  const text = String(value);
  return isOpenMetrics && !/[.e]/.test(text) ? `${text}.0` : text;
}
