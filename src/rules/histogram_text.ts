/** A native histogram as Prometheus prints it: `{count:3, sum:4.5, (1,2]:3}`. */
import type { NativeBuckets, NativeHistogram } from '../store/queryable.ts';
import { floatText } from './template/float_text.ts';

const text = (value: number): string => floatText(value, 'g', -1);

export function histogramText(histogram: NativeHistogram): string {
  const { count, sum, zeroCount, zeroThreshold, positive, negative } = histogram;
  const parts = [`count:${text(count)}`, `sum:${text(sum)}`];
  const below = bucketsOf(negative, (index) => {
    const { lower, upper } = boundsOf(histogram, index);
    return `[${text(-upper)},${text(-lower)})`;
  });
  parts.push(...below.reverse());
  if (zeroCount !== 0) parts.push(`[${text(-zeroThreshold)},${text(zeroThreshold)}]:${text(zeroCount)}`);
  parts.push(
    ...bucketsOf(positive, (index) => {
      const { lower, upper } = boundsOf(histogram, index);
      const isFirst = histogram.customBounds !== undefined && index === 0;
      return `${isFirst && lower === -Infinity ? '[' : '('}${text(lower)},${text(upper)}]`;
    }),
  );
  return `{${parts.join(', ')}}`;
}

function bucketsOf({ indexes, counts }: NativeBuckets, name: (index: number) => string): string[] {
  const parts: string[] = [];
  indexes.forEach((index, row) => {
    if (counts[row] !== 0) parts.push(`${name(index)}:${text(counts[row]!)}`);
  });
  return parts;
}

function boundsOf({ schema, customBounds }: NativeHistogram, index: number): { lower: number; upper: number } {
  if (customBounds !== undefined) {
    return { lower: customBounds[index - 1] ?? -Infinity, upper: customBounds[index] ?? Infinity };
  }
  const base = 2 ** -schema;
  return { lower: 2 ** ((index - 1) * base), upper: 2 ** (index * base) };
}
