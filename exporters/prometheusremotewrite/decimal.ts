/**
 * The shortest decimal that reads back as `value`, without an exponent: how Prometheus' own OTLP receiver and the
 * OpenTelemetry Collector write `le` and `quantile`, which are labels and so compared as text.
 */
export function decimal(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  const text = String(value);
  const [digits, exponentText] = text.split('e');
  if (exponentText === undefined) return text;
  const exponent = Number(exponentText);
  const sign = value < 0 ? '-' : '';
  const [whole, fraction = ''] = digits!.replace('-', '').split('.') as [string, string?];
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`;
  return `${sign}${whole}${fraction.padEnd(exponent, '0')}`;
}
