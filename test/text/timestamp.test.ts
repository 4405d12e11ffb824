import { expect, test } from 'vitest';
import { timestampText } from '../../src/text/timestamp.ts';

test.each([
  [0n, '1970-01-01T00:00:00.000000000Z'],
  [1_763_776_800_123_456_789n, '2025-11-22T02:00:00.123456789Z'],
  [2n ** 64n - 1n, '2554-07-21T23:34:33.709551615Z'],
  [10n ** 24n, `${10n ** 24n}ns`],
])('timestampText of %d is %s', (time, text) => {
  expect(timestampText(time)).toBe(text);
});
