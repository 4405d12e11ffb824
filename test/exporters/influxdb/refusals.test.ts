import { describe, expect, test } from 'vitest';
import { readRefusal } from '../../../exporters/influxdb/refusals.ts';
import { asRequest } from '../../support/request.ts';

const request = asRequest({
  body: Buffer.from('a f=1 1\nb,le=1 f=2 2\n b,le=2 f=3 2\nc f=4 3\n'),
  count: 3,
});
const read = (api: 'v1' | 'v2' | 'v3', answer: unknown) => {
  const result = readRefusal(api, Buffer.from(JSON.stringify(answer)), request, 'metrics');
  if (result === undefined) return undefined;
  const { refused, again, ...rest } = result;
  const payloadOf = (payload: typeof refused) => payload && [Buffer.from(payload.body).toString(), payload.count];
  return { ...rest, refused: payloadOf(refused), again: payloadOf(again) };
};

describe('readRefusal', () => {
  test.each([
    [
      'v1',
      {
        error:
          'partial write: field type conflict: input field "f" on measurement "a" is type float, already exists as type integer dropped=2',
      },
      2,
    ],
    ['v1', { error: 'partial write: points beyond retention policy dropped=1' }, 1],
    ['v1', { error: 'partial write: input field "dropped=9" on measurement "b" dropped=1' }, 1],
    ['v1', { error: 'partial write: max-values-per-tag limit exceeded (1/1) dropped=4' }, 3],
    [
      'v2',
      {
        code: 'unprocessable entity',
        message: 'failure writing points to database: partial write: field type conflict: … dropped=2',
      },
      2,
    ],
    [
      'v2',
      {
        code: 'unprocessable entity',
        message:
          'failure writing points to database: partial write: dropped 1 points outside retention policy of duration 1h0m0s dropped=1 for database: 1 for retention policy: autogen',
      },
      1,
    ],
  ] as const)('%s counts %j', (api, answer, rejected) => {
    const words = 'error' in answer ? answer.error : answer.message;
    expect(read(api, answer)).toEqual({ rejected, message: words.slice(0, 300), refused: undefined, again: undefined });
  });

  test('version 1 names the lines that it could not parse, and has written the others', () => {
    const error =
      "partial write: unable to parse 'b,le=2 f=3 2': max key length exceeded\nunable to parse 'c f=4 3': why dropped=0";
    expect(read('v1', { error })).toMatchObject({
      refused: ['b,le=1 f=2 2\n b,le=2 f=3 2\nc f=4 3\n', 2],
      again: undefined,
    });
  });

  test('version 1 has parsed nothing where it does not say partial write', () => {
    expect(read('v1', { error: "unable to parse 'a f=1 1': invalid" })).toBeUndefined();
  });

  test('version 2 names the lines that it could not parse, and has written nothing: the others go again', () => {
    const message = "unable to parse 'a f=1 1': invalid boolean";
    expect(read('v2', { code: 'invalid', message })).toMatchObject({
      refused: ['a f=1 1\n', 1],
      again: ['b,le=1 f=2 2\n b,le=2 f=3 2\nc f=4 3\n', 2],
    });
  });

  test('version 3 names lines by number, and has written the others', () => {
    const line = { original_line: 'b,le=2 f=3 2', line_number: 3, error_message: 'invalid column type' };
    expect(read('v3', { error: 'partial write of line protocol occurred', data: [line] })).toEqual({
      message: 'partial write of line protocol occurred: invalid column type',
      refused: ['b,le=1 f=2 2\n b,le=2 f=3 2\n', 1],
      again: undefined,
    });
  });

  test('version 3 with accept_partial=false names the first, and has written nothing: the others go again', () => {
    const data = { original_line: 'a f=1 1', line_number: 1, error_message: 'No fields were provided' };
    expect(read('v3', { error: 'parsing failed for write_lp endpoint', data })).toEqual({
      message: 'parsing failed for write_lp endpoint: No fields were provided',
      refused: ['a f=1 1\n', 1],
      again: ['b,le=1 f=2 2\n b,le=2 f=3 2\nc f=4 3\n', 2],
    });
  });

  test('version 3 by the API of version 2 names all lines in its words', () => {
    const message =
      'failed to parse line protocol: errors encountered on line(s):\nerror parsing line 1 (1-based): Invalid measurement was provided\nerror parsing line 4 (1-based): Unable to parse timestamp value';
    expect(read('v2', { code: 'invalid', line: 1, message })).toMatchObject({
      refused: ['a f=1 1\nc f=4 3\n', 2],
      again: undefined,
    });
  });

  test.each([
    ['a page', '<html>no</html>'],
    ['nothing', ''],
    ['an error without lines', '{"error":"authorization failed"}'],
    ['lines that the request has not', '{"error":"x","data":[{"line_number":9}]}'],
    ['a partial write without a count', '{"error":"partial write: why"}'],
    ['a list', '[1]'],
    ['null', 'null'],
  ])('%s says nothing of lines', (_, answer) => {
    expect(readRefusal('v3', Buffer.from(answer), request, 'metrics')).toBeUndefined();
  });
});
