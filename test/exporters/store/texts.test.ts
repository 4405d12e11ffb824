import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { takesGzip } from '../../../exporters/store/answers.ts';
import { unescapeName } from '../../../exporters/store/label_name.ts';
import { parseDuration, parseTime, readForm } from '../../../exporters/store/parameters.ts';
import { floatText, timestampText } from '../../../exporters/store/result_json.ts';
import { exponentText } from '../../../exporters/store/rules.ts';
import { escapeName, isLegacyLabelName } from '../../../src/prometheus/names.ts';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [-0, '-0'],
    [NaN, 'NaN'],
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [1e-6, '0.000001'],
    [1e-7, '1e-07'],
    [-1.5e-10, '-1.5e-10'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [5e-324, '5e-324'],
  ])('floatText writes %d as %s', (value, text) => expect(floatText(value)).toBe(text));

  test('floatText loses nothing', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(floatText(value))).toBe(value);
        expect(Number(exponentText(value))).toBe(value);
      }),
    );
  });

  test.each([
    [0, '0'],
    [300, '0.300'],
    [1002, '1.002'],
    [-1050, '-1.050'],
    [-500, '-0.500'],
    [1_795_338_534_374, '1795338534.374'],
  ])('timestampText writes %d ms as %s', (time_ms, text) => expect(timestampText(time_ms)).toBe(text));

  test.each([
    [1, '1e+00'],
    [0, '0e+00'],
    [-0, '-0e+00'],
    [123.5, '1.235e+02'],
    [1e-100, '1e-100'],
    [NaN, 'NaN'],
    [-Infinity, '-Inf'],
  ])('exponentText writes %d as %s', (value, text) => expect(exponentText(value)).toBe(text));
});

describe('parameters', () => {
  test.each([
    ['0', 0],
    ['1.5', 1500],
    ['1.0015', 1002],
    ['-1.05', -1050],
    ['1e9', 1e12],
    ['1435781451.781', 1_435_781_451_781],
    ['2015-07-01T20:10:51.781Z', 1_435_781_451_781],
    ['2015-07-01T20:10:51.781999Z', 1_435_781_451_781],
    ['2015-07-01T22:10:51+02:00', 1_435_781_451_000],
    ['', undefined],
    ['abc', undefined],
    ['NaN', undefined],
    ['0x10', undefined],
    ['2015-07-01', undefined],
    ['2015-13-01T00:00:00Z', undefined],
    ['9223372036854776', undefined],
  ])('parseTime reads %j as %s ms', (text, time_ms) => expect(parseTime(text)).toBe(time_ms));

  test.each([
    ['15', 15_000],
    ['0.3', 300],
    ['1h30m', 5_400_000],
    ['5m', 300_000],
    ['-1', -1000],
  ])('parseDuration reads %j as %d ms', (text, duration_ms) => expect(parseDuration(text)).toBe(duration_ms));

  test.each(['', 'x', '0.3s', '1h-1', '9223372037', '1e15'])('parseDuration refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/^cannot parse/);
  });

  test.each([
    ['gzip', true],
    ['deflate, GZIP;q=0.1', true],
    ['gzip;q=0', false],
    ['gzip; q=0.00', false],
    ['*', false],
    [undefined, false],
  ])('takesGzip says of %j %s', (header, takes) => expect(takesGzip(header)).toBe(takes));
});

describe('readForm', () => {
  const post = (body: string) =>
    Object.assign(Readable.from([Buffer.from(body)]), {
      method: 'POST',
      url: '/api/v1/query?query=a&time=1',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    }) as unknown as IncomingMessage;

  test('has what is in the body first, and gives its room back', async () => {
    const bodies = { bytes: 0 };
    const form = await readForm(post('query=b&match[]=x&match%5B%5D=%C3%A9'), bodies);
    expect([form.getAll('query'), form.get('time'), form.getAll('match[]')]).toEqual([['b', 'a'], '1', ['x', 'é']]);
    expect(bodies.bytes).toBe(0);
  });

  test('refuses one more body while those under way take too much', async () => {
    const bodies = { bytes: 8 * 1024 * 1024 };
    await expect(readForm(post('query=b'), bodies)).rejects.toMatchObject({ errorType: 'unavailable' });
    expect(bodies.bytes).toBe(8 * 1024 * 1024);
  });
});

describe('unescapeName', () => {
  test.each([
    ['U__http_2e_method', 'http.method'],
    ['U__a__b', 'a_b'],
    ['U___1f600_', '😀'],
    ['plain', 'plain'],
    ['U__zz_zz', 'U__zz_zz'],
    ['U__a_d800_', 'U__a_d800_'],
    ['U__a_', 'U__a_'],
    ['U__', ''],
  ])('reads %s as %j', (text, name) => expect(unescapeName(text)).toBe(name));

  test('undoes the escaping of scrapes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
        const escaped = escapeName(name, 'values', isLegacyLabelName);
        fc.pre(escaped !== name);
        expect(unescapeName(escaped)).toBe(name);
      }),
    );
  });
});
