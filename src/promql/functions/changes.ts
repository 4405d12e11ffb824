/** changes() and resets(), which count what happens from one sample to the next. */
import type { NativeHistogram } from '../../store/queryable.ts';
import type { RangeFunction } from '../functions.ts';
import { equalHistograms, hasReset } from '../native_histograms.ts';

/** From float to histogram or back counts always. */
const countSteps = (
  name: string,
  countsFloats: (value: number, previous: number) => boolean,
  countsHistograms: (histogram: NativeHistogram, previous: NativeHistogram) => boolean,
): RangeFunction => ({
  kind: 'range',
  name,
  arguments: ['matrix'],
  variadic: 0,
  returns: 'vector',
  keepsName: false,
  evaluate({ values, histograms, from, to }) {
    let count = 0;
    for (let row = from + 1; row < to; row++) {
      const histogram = histograms?.[row];
      const previous = histograms?.[row - 1];
      if (histogram === undefined && previous === undefined) {
        if (countsFloats(values[row]!, values[row - 1]!)) count++;
      } else if (histogram === undefined || previous === undefined || countsHistograms(histogram, previous)) count++;
    }
    return count;
  },
});

export const changeFunctions = [
  countSteps(
    'changes',
    (value, previous) => value !== previous && !(Number.isNaN(value) && Number.isNaN(previous)),
    (histogram, previous) => !equalHistograms(histogram, previous),
  ),
  countSteps('resets', (value, previous) => value < previous, hasReset),
] as const;
