import { expect, test } from 'vitest';
import { countRefused } from '../../../exporters/loki/answers.ts';

const OLD =
  'entry for stream \'{a="b"}\' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2024-01-01T00:00:00Z';
const BEHIND =
  "entry with timestamp 2024-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, oldest acceptable timestamp is: 2024-01-02T00:00:00Z',\n";

test.each([
  ['a word for one entry', OLD, 5, 1],
  ['two entries', `2 errors: ${OLD}; ${OLD}`, 5, 2],
  [
    'entries refused for different reasons',
    `2 errors: ${OLD}; Max entry size '10' bytes exceeded for stream '{}' while adding an entry with length '20' bytes`,
    5,
    2,
  ],
  ['a number that the words do not bear out', `3 errors: ${OLD}; ${OLD}`, 5, undefined],
  ['a whole stream', `stream '{a="b"}' has label value too long: 'b'`, 5, undefined],
  ['a stream among entries', `2 errors: ${OLD}; stream '{a="b"}' has label name too long: 'a'`, 5, undefined],
  [
    'an ingester that speaks of all entries',
    `${BEHIND}user 'fake', total ignored: 2 out of 5 for stream: {a="b"}`,
    5,
    2,
  ],
  ['an ingester that speaks of one stream of several', `${BEHIND}total ignored: 2 out of 3`, 5, undefined],
  ['something else', 'unexpected EOF', 5, undefined],
])('countRefused of %s', (_, words, count, refused) => {
  expect(countRefused(words, count)).toBe(refused);
});
