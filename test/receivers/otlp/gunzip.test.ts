import fc from 'fast-check';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createGunzipSync } from '../../../receivers/otlp/gunzip.ts';

const MAX_BYTES = 1024 * 1024;

/** What it says of a body, as text where it is an error. */
function outcome(gunzip: () => Buffer): Buffer | string {
  try {
    return gunzip();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return `${code}: ${message}`;
  }
}

/** Contents that compress well and badly, up to more than is allowed. */
const content = fc
  .record({
    unit: fc.uint8Array({ maxLength: 300 }),
    times: fc.oneof(fc.nat(20), fc.nat(5000)),
  })
  .map(({ unit, times }) => Buffer.concat(Array.from({ length: times }, () => unit)));

const body = fc.oneof(
  { weight: 4, arbitrary: content.map((one) => gzipSync(one)) },
  fc.tuple(content, content).map((members) => Buffer.concat(members.map((one) => gzipSync(one)))),
  fc.tuple(content, fc.nat()).map(([one, at]) => {
    const whole = gzipSync(one);
    return whole.subarray(0, at % (whole.length + 1));
  }),
  fc.tuple(content, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([one, at, mask]) => {
    const damaged = gzipSync(one);
    damaged[at % damaged.length]! ^= mask;
    return damaged;
  }),
  fc.tuple(content, fc.uint8Array({ maxLength: 20 })).map(([one, rest]) => Buffer.concat([gzipSync(one), rest])),
);

describe('createGunzipSync', () => {
  test('does body by body what gunzipSync does, whatever the bodies before were', () => {
    fc.assert(
      fc.property(fc.array(body, { minLength: 1, maxLength: 8 }), (bodies) => {
        const gunzip = createGunzipSync(MAX_BYTES);
        for (const one of bodies) {
          expect(outcome(() => gunzip(one))).toEqual(
            outcome(() => gunzipSync(one, { maxOutputLength: MAX_BYTES, chunkSize: 256 * 1024 })),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, MAX_BYTES])('decompresses %i bytes', (size) => {
    const gunzip = createGunzipSync(MAX_BYTES);
    const whole = Buffer.alloc(size, 'abc');
    for (let turn = 0; turn < 3; turn++) expect(gunzip(gzipSync(whole)).equals(whole)).toBe(true);
  });

  test('returns memory that is nobody else’s', () => {
    const gunzip = createGunzipSync(MAX_BYTES);
    const results = ['one', 'other'].map((text) => gunzip(gzipSync(text)));
    expect(results.map(String)).toEqual(['one', 'other']);
    for (const { buffer, byteLength } of results) expect(buffer.byteLength).toBe(byteLength);
  });

  test('refuses more than it may become, and goes on', () => {
    const gunzip = createGunzipSync(MAX_BYTES);
    expect(() => gunzip(gzipSync(Buffer.alloc(MAX_BYTES + 1)))).toThrow(
      expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' }),
    );
    expect(String(gunzip(gzipSync('next')))).toBe('next');
  });
});
