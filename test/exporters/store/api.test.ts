import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { metric, metricBatch, series } from '../../support/processor.ts';
import { startStore, type StoreRun } from './run.ts';

const now_s = Math.floor(Date.now() / 1000) - 60;
const nano = (time_s: number): bigint => BigInt(Math.round(time_s * 1000)) * 1_000_000n;

const load = series(metric('system.load', { kind: 'gauge', unit: '', valueType: 'double' }));
const count = ['a', 'b', 'c d'].map((device) =>
  series(metric('disk.io', { unit: 'By', description: 'Bytes.' }), { device }),
);
const odd = [NaN, Infinity, -Infinity, -0, 1e21, 1e-7, 5e-324, 2 ** 53].map((_, n) =>
  series(metric('odd', { kind: 'gauge', unit: '', valueType: 'double' }), { n: String(n) }),
);
const ODD = [NaN, Infinity, -Infinity, -0, 1e21, 1e-7, 5e-324, 2 ** 53];

async function fill(run: StoreRun): Promise<void> {
  for (let step = 0; step < 5; step++) {
    const time = nano(now_s - 60 + step * 15);
    await run.consume(metricBatch([load, ...count], [0.5 + step, 10 * step, 20 * step, 30 * step], { time }));
    await run.consume(metricBatch(odd, ODD, { time }));
  }
}

describe('the API', () => {
  let run: StoreRun;
  beforeEach(async () => {
    run = await startStore();
    await fill(run);
  });

  test('answers instants with the values of that time, by GET and by POST', async () => {
    const expected = {
      status: 'success',
      data: {
        resultType: 'vector',
        result: [{ metric: { __name__: 'system_load' }, value: [now_s - 30, '2.5'] }],
      },
    };
    const parameters = { query: 'system_load', time: String(now_s - 30) };
    expect(await run.ask('query', parameters)).toMatchObject({ status: 200, body: expected });
    expect(await run.ask('query', parameters, { method: 'POST' })).toMatchObject({ status: 200, body: expected });
    expect(run.answered).toEqual([1, 1]);
  });

  test('writes odd numbers as Prometheus does', async () => {
    const { body } = await run.ask('query', { query: 'sort_by_label(odd, "n") or odd' });
    const { body: plain } = await run.ask('query', { query: 'odd' });
    const rows = ((plain.data ?? body.data) as { result: { metric: { n: string }; value: [number, string] }[] }).result;
    const texts = rows.toSorted((a, b) => Number(a.metric.n) - Number(b.metric.n)).map(({ value }) => value[1]);
    expect(texts).toEqual(['NaN', '+Inf', '-Inf', '-0', '1e+21', '1e-07', '5e-324', '9007199254740992']);
    const scalar = await run.ask('query', { query: '1e21', time: '1.5' });
    expect(scalar.body.data).toEqual({ resultType: 'scalar', result: [1.5, '1000000000000000000000'] });
    const text = await run.ask('query', { query: '"a\\"b"', time: '2' });
    expect(text.body.data).toEqual({ resultType: 'string', result: [2, 'a"b'] });
  });

  test('answers ranges at the steps', async () => {
    const { body } = await run.ask('query_range', {
      query: 'sum(disk_io_bytes_total)',
      start: String(now_s - 60),
      end: String(now_s - 30),
      step: '15',
    });
    expect(body.data).toEqual({
      resultType: 'matrix',
      result: [
        {
          metric: {},
          values: [
            [now_s - 60, '0'],
            [now_s - 45, '60'],
            [now_s - 30, '120'],
          ],
        },
      ],
    });
  });

  test('lists series, labels, their values, and what metrics are', async () => {
    expect((await run.ask('labels')).body.data).toEqual(['__name__', 'device', 'host_name', 'n']);
    expect((await run.ask('labels', { 'match[]': 'disk_io_bytes_total' })).body.data).toEqual(['__name__', 'device']);
    expect((await run.ask('label/device/values')).body.data).toEqual(['a', 'b', 'c d']);
    expect((await run.ask('label/U__device/values')).body.data).toEqual(['a', 'b', 'c d']);
    const limited = await run.ask('label/device/values', { limit: '2' });
    expect(limited.body).toEqual({ status: 'success', data: ['a', 'b'], warnings: ['results truncated due to limit'] });
    const both = await run.ask('series', { 'match[]': ['disk_io_bytes_total{device=~"a|b"}', '{device="b"}'] });
    expect(both.body.data).toEqual([
      { __name__: 'disk_io_bytes_total', device: 'a' },
      { __name__: 'disk_io_bytes_total', device: 'b' },
    ]);
    expect((await run.ask('metadata', { metric: 'disk_io_bytes_total' })).body.data).toEqual({
      disk_io_bytes_total: [{ type: 'counter', unit: 'bytes', help: 'Bytes.' }],
    });
    expect((await run.ask('status/buildinfo')).body.data).toMatchObject({
      version: expect.stringMatching(/^3\.5\.0\+sonde\.\d/),
    });
    expect((await run.ask('query_exemplars', { query: 'odd', start: '0', end: '1' })).body.data).toEqual([]);
    expect((await run.ask('format_query', { query: 'sum(odd)by(n)' })).body.data).toBe('sum by (n) (odd)');
  });

  // The words are those of a real Prometheus 3.5.3.
  test.each([
    ['query', { query: 'up{' }, 400, 'bad_data', /^invalid parameter "query": 1:\d: parse error: /],
    ['query', {}, 400, 'bad_data', /^invalid parameter "query": unknown position: parse error: no expression found in/],
    [
      'query',
      { query: '1', time: 'abc' },
      400,
      'bad_data',
      /"time": invalid time value for 'time': cannot parse "abc" to/,
    ],
    ['query', { query: '1', timeout: 'abc' }, 400, 'bad_data', /"timeout": cannot parse "abc" to a valid duration$/],
    ['query', { query: '1', timeout: '-1' }, 503, 'timeout', /^query timed out/],
    ['query', { query: '1', limit: 'x' }, 400, 'bad_data', /"limit": strconv\.Atoi: parsing "x": invalid syntax$/],
    ['query', { query: '1', limit: '-1' }, 400, 'bad_data', /"limit": limit must be non-negative$/],
    [
      'query',
      { query: '1', lookback_delta: 'x' },
      400,
      'bad_data',
      /^error parsing lookback delta duration: cannot parse/,
    ],
    ['query', { query: 'odd * on() odd' }, 422, 'execution', /^found duplicate series for the match group \{\} on the/],
    [
      'query_range',
      { query: '1' },
      400,
      'bad_data',
      /^invalid parameter "start": cannot parse "" to a valid timestamp$/,
    ],
    [
      'query_range',
      { query: '1', start: '2', end: '1', step: '1' },
      400,
      'bad_data',
      /"end": end timestamp must not be/,
    ],
    ['query_range', { query: '1', start: '1', end: '2', step: '0' }, 400, 'bad_data', /"step": zero or negative query/],
    ['query_range', { query: '1', start: '1', end: '2', step: '0.0001' }, 400, 'bad_data', /"step": zero or negative/],
    ['query_range', { query: '1', start: '1', end: '2', step: '1e15' }, 400, 'bad_data', /It overflows int64$/],
    [
      'query_range',
      { query: '1', start: '1', end: '11002', step: '1' },
      400,
      'bad_data',
      /^exceeded maximum resolution of 11,000 points/,
    ],
    [
      'query_range',
      { query: 'up[5m]', start: '1', end: '2', step: '1' },
      400,
      'bad_data',
      /"query": invalid expression type "range vector" for range query/,
    ],
    ['series', {}, 400, 'bad_data', /^no match\[\] parameter provided$/],
    [
      'series',
      { 'match[]': '{}' },
      400,
      'bad_data',
      /"match\[\]": match\[\] must contain at least one non-empty matcher$/,
    ],
    ['series', { 'match[]': 'up offset 5m' }, 400, 'bad_data', /"match\[\]": 1:1: parse error/],
    ['labels', { start: 'x' }, 400, 'bad_data', /"start": invalid time value for 'start': cannot parse "x"/],
    ['metadata', { limit: 'x' }, 400, 'bad_data', /^limit must be a number$/],
    ['label/U__/values', {}, 400, 'bad_data', /^invalid label name: ""$/],
    ['label/%ff/values', {}, 400, 'bad_data', /^invalid label name/],
    [
      'query_exemplars',
      { query: 'up', start: '2', end: '1' },
      400,
      'bad_data',
      /^end timestamp must not be before start timestamp$/,
    ],
    ['rules', { type: 'foo' }, 400, 'bad_data', /"type": not supported value "foo"$/],
  ])('refuses %s of %j', async (path, parameters, status, errorType, error) => {
    expect(await run.ask(path, parameters as Record<string, string>)).toMatchObject({
      status,
      body: { status: 'error', errorType, error: expect.stringMatching(error) },
    });
  });

  test('answers exactly 11,000 steps, and one more as Prometheus does', async () => {
    const range = { query: '1', start: '0', step: '1' };
    expect(await run.ask('query_range', { ...range, end: '11000' })).toMatchObject({ status: 200 });
  });

  test('truncates results by limit, says what a query took, and takes another lookback', async () => {
    const limited = await run.ask('query', { query: 'disk_io_bytes_total', limit: '1' });
    expect((limited.body.data as { result: unknown[] }).result).toHaveLength(1);
    expect(limited.body.warnings).toEqual(['results truncated due to limit']);
    const { data } = (await run.ask('query', { query: 'sum(disk_io_bytes_total)', stats: 'all' })).body;
    expect(data).toMatchObject({
      stats: { timings: { evalTotalTime: expect.any(Number) }, samples: { totalQueryableSamples: expect.any(Number) } },
    });
    const short = await run.ask('query', { query: 'system_load', lookback_delta: '1s' });
    expect((short.body.data as { result: unknown[] }).result).toEqual([]);
    const annotated = await run.ask('query', { query: 'rate(system_load[5m])' });
    expect(annotated.body.infos).toEqual([expect.stringContaining('metric might not be a counter')]);
  });

  test('compresses long answers for those who read gzip', async () => {
    const { promise, resolve } = Promise.withResolvers<{ encoding: unknown; text: string }>();
    const url = `${run.url}/api/v1/query?query=${encodeURIComponent('{__name__=~".+"}[5m]')}`;
    request(url, { headers: { 'accept-encoding': 'deflate, gzip;q=0.5' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const encoding = response.headers['content-encoding'];
        resolve({ encoding, text: gunzipSync(Buffer.concat(chunks)).toString() });
      });
    }).end();
    const { encoding, text } = await promise;
    expect(encoding).toBe('gzip');
    expect(text).toBe(await (await fetch(url, { headers: { 'accept-encoding': 'gzip;q=0' } })).text());
  });

  test('answers other methods and paths as what they are', async () => {
    const put = await fetch(`${run.url}/api/v1/query`, { method: 'PUT', body: 'x' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST, OPTIONS']);
    const post = await fetch(`${run.url}/api/v1/rules`, { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
    expect((await fetch(`${run.url}/api/v1/query`, { method: 'OPTIONS' })).status).toBe(204);
    expect((await fetch(`${run.url}/api/v1/admin/tsdb/snapshot`)).status).toBe(404);
    expect((await fetch(`${run.url}/api/v2/alerts`)).status).toBe(200);
    for (let time = 0; time < 10; time++) await run.ask('query', { query: '1'.repeat(1_000_000) }, { method: 'POST' });
    expect(await run.ask('query', { query: '1' }, { method: 'POST' })).toMatchObject({ status: 200 });
    const large = await run.ask('query', { query: '1'.repeat(1_100_000) }, { method: 'POST' });
    expect(large).toMatchObject({ status: 400, body: { error: expect.stringContaining('over 1048576 bytes') } });
  });
});

test('whatever is asked, the answer is an envelope, and never an error inside', async () => {
  const run = await startStore({ limits: { time: '200ms', samples: 20_000 } });
  await fill(run);
  const piece = fc.constantFrom(
    'odd',
    'disk_io_bytes_total{device="a"}',
    '[5m]',
    '[1h:1s]',
    ' offset 1m',
    ' @ end()',
    '(',
    ')',
    '{',
    '}',
    ' + ',
    ' * on(n) ',
    'sum by (n) ',
    'rate',
    'topk(2, ',
    '=~"(a|b)+"',
    '"',
    '1e309',
    '-1',
    'NaN',
    '😀',
    '\u0000',
    '\n#',
    '$',
    '%',
    ',',
  );
  const query = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const text = fc.oneof(
    query,
    fc.constantFrom('', '0', '-1', String(now_s), '1e308', '5m', '15', 'NaN', '2026-01-01T00:00:00Z', '0x1'),
    fc.string(),
  );
  const form = fc.dictionary(
    fc.constantFrom(
      'query',
      'time',
      'start',
      'end',
      'step',
      'timeout',
      'limit',
      'lookback_delta',
      'stats',
      'match[]',
      'metric',
      'type',
      'group_limit',
    ),
    text,
  );
  const path = fc.constantFrom(
    'query',
    'query_range',
    'series',
    'labels',
    'label/n/values',
    'label/U__a_2e_/values',
    'metadata',
    'rules',
    'alerts',
    'query_exemplars',
    'format_query',
  );
  await fc.assert(
    fc.asyncProperty(path, form, query, fc.boolean(), async (where, parameters, asked, isPost) => {
      const usual = { query: asked, start: String(now_s - 60), end: String(now_s), step: '15' };
      const { status, body } = await run.ask(
        where,
        { ...usual, ...parameters },
        isPost && /^(query|series|labels)/.test(where) ? { method: 'POST' } : {},
      );
      expect([200, 400, 422, 503]).toContain(status);
      expect(body.status).toBe(status === 200 ? 'success' : 'error');
      if (status !== 200) expect(body.error).not.toBe('');
    }),
    { numRuns: 400 },
  );
  expect(run.log.lines.filter(({ message }) => message.includes('Cannot answer a query'))).toEqual([]);
});

test('pages of allowed sites alone may ask, and read what Prometheus lets them read', async () => {
  const run = await startStore({ allowed_origins: ['https://grafana.example'] });
  const allowed = await run.ask('query', { query: '1' }, { headers: { origin: 'https://grafana.example' } });
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://grafana.example');
  expect(allowed.headers.get('access-control-allow-methods')).toBe('GET, POST, OPTIONS');
  expect(allowed.headers.get('access-control-expose-headers')).toBe('Date');
  const other = await fetch(`${run.url}/api/v1/query?query=1`, { headers: { origin: 'https://evil.example' } });
  expect(other.status).toBe(403);
});

test('what the store does not take is counted by its reason, and said once', async () => {
  const run = await startStore({ max_series: 1 });
  const deltas = series(metric('delta', { temporality: 'delta' }));
  await run.consume(metricBatch([load, ...count], [1, 2, 3, 4], { time: nano(now_s) }));
  await run.consume(metricBatch([deltas], [1], { time: nano(now_s) }));
  await run.consume(metricBatch([load], [1], { time: nano(now_s - 7200) }));
  expect(Object.fromEntries(run.dropped)).toMatchObject({ delta_temporality: 1, too_old: 1 });
  expect(run.dropped.get('series_limit')).toBeGreaterThanOrEqual(3);
  expect(run.log.lines.filter(({ message }) => message.startsWith('Cannot keep'))).toHaveLength(3);
});

describe('limits', () => {
  test.each([
    ['samples', { samples: 10 }, 'sum_over_time(system_load[1m])[1m:1s]', 422, 'execution'],
    ['series', { series: 2 }, 'disk_io_bytes_total', 422, 'execution'],
    ['response_bytes', { response_bytes: '1KiB' }, '{__name__=~".+"}[5m]', 422, 'execution'],
    [
      'time',
      { time: '1ms' },
      `count(${Array.from({ length: 12 }, () => 'odd').join(' * on(n) ')})[1h:100ms]`,
      503,
      'timeout',
    ],
  ])('%s ends a query, which the answer names', async (limit, limits, query, status, errorType) => {
    const run = await startStore({ limits });
    await fill(run);
    const answer = await run.ask('query', { query });
    expect(answer).toMatchObject({
      status,
      body: { errorType, error: expect.stringMatching(new RegExp(String.raw`\(limit "${limit}"\), (at|of) .`)) },
    });
    expect(await run.ask('query', { query: '1' })).toMatchObject({ status: 200 });
  });

  test('time ends selections by many patterns, of queries and of selectors', async () => {
    const run = await startStore({ limits: { time: '20ms' } });
    const gauge = metric('many', { kind: 'gauge', unit: '', valueType: 'double' });
    const layout = Array.from({ length: 2000 }, (_, n) => series(gauge, { n: `${'ab'.repeat(20)}${n}` }));
    await run.consume(metricBatch(layout, Array.from<number>({ length: 2000 }).fill(1), { time: nano(now_s) }));
    const selectorOf = (length: number): string =>
      `many{${Array.from({ length }, (_, n) => `n=~"(a|b|[0-9]|x${n})+"`).join(',')}}`;
    const selector = selectorOf(400);
    for (const [path, parameters] of [
      ['query', { query: `count(${selector})` }],
      ['series', { 'match[]': selector }],
      ['labels', { 'match[]': [selector, selector] }],
      // A URL is shorter than a body may be.
      ['label/n/values', { 'match[]': [selectorOf(99), selectorOf(98)] }],
    ] as const) {
      expect(await run.ask(path, parameters, path === 'label/n/values' ? {} : { method: 'POST' })).toMatchObject({
        status: 503,
        body: { errorType: 'timeout', error: expect.stringMatching(/\(limit "time"\), at ./) },
      });
    }
  });

  test('queries beyond those that may wait are refused', async () => {
    const run = await startStore({ limits: { waiting: 1 } });
    await run.ask('query', { query: '1' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => run.ask('query', { query: '1' })));
    const refused = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    for (const { body, headers } of refused) {
      expect(headers.get('retry-after')).toBe('1');
      expect(body).toMatchObject({ errorType: 'unavailable', error: expect.stringContaining('limit "waiting"') });
    }
  });
});
