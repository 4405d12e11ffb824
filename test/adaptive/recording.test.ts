/** What docs/adaptive.md promises, on the recording of real receivers that bench/adaptive.ts works with. */
import { describe, expect, test } from 'vitest';
import { errorsOf, OPTIONS, quietDay, share, thin } from '../../bench/adaptive.ts';
import { readRecording } from '../../bench/adaptive_recording.ts';

const recording = readRecording(new URL('../../bench/adaptive_recording.json.gz', import.meta.url));
const QUARTER_OF_A_DAY = 1440;

describe('adaptive_interval', () => {
  test.each([
    ['a quiet day', quietDay(recording, QUARTER_OF_A_DAY)],
    ['a quiet day of others', quietDay(recording, QUARTER_OF_A_DAY, 2)],
    ['the recording', recording],
  ])('pushes at most a third of the points of %s, and keeps every series within its bound', (_, day) => {
    const { self: own, ...others } = day.receivers;
    expect(own).toBeDefined();
    // The agent's own figures alone would bring the share down.
    for (const receivers of [day.receivers, others]) {
      expect(share(thin({ ...day, receivers }, OPTIONS))).toBeLessThanOrEqual(1 / 3);
    }
    for (const [series, trace] of thin(day, OPTIONS)) {
      const { drawn, live, jump } = errorsOf(series, trace, OPTIONS);
      expect(drawn, series.key).toBeLessThanOrEqual(1 + 1e-9);
      expect(live, series.key).toBeLessThanOrEqual(0.5 + 1e-9);
      expect(jump, series.key).toBe(0);
    }
  });
});
