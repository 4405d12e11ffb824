/** What the exporter influxdb writes, as a real InfluxDB 1.6 and a real VictoriaMetrics have it. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import influxdb from '../../exporters/influxdb.ts';
import type { Batch } from '../../src/model/batch.ts';
import { createStage, makeAgent, type AgentRun } from '../support/agent.ts';
import { logBatch, logRecord, metric, metricBatch, series } from '../support/processor.ts';
import { freePort } from '../support/free_port.ts';
import { program, startServer, startVictoriaMetrics, until, type Server } from './servers.ts';

let influx: Server;
let victoria: Server;
beforeAll(async () => {
  influx = await startInfluxdb();
  victoria = await startVictoriaMetrics();
});
afterAll(async () => {
  await influx?.stop();
  await victoria?.stop();
});

async function startInfluxdb(): Promise<Server> {
  const command = await program('influxdb');
  const [http, rpc] = [await freePort(), await freePort()];
  return startServer({
    command,
    args: (folder) => ['-config', join(folder, 'influxdb.conf')],
    files: {
      'influxdb.conf': `
reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
  dir = "meta"
[data]
  dir = "data"
  wal-dir = "wal"
[http]
  bind-address = "127.0.0.1:${http}"
`,
    },
    url: `http://127.0.0.1:${http}`,
    ready: `http://127.0.0.1:${http}/query?q=SHOW+DATABASES`,
  });
}

let databases = 0;
async function createDatabase(): Promise<string> {
  const name = `test${++databases}`;
  await query('', `CREATE DATABASE ${name}`);
  return name;
}

type Cell = string | number | bigint | boolean | null;
interface Table {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly Cell[])[];
}

/** Tables of an InfluxQL answer; integers beyond 2^53 as bigint. */
async function query(database: string, statement: string): Promise<readonly Table[]> {
  const parameters = new URLSearchParams({ db: database, q: statement, epoch: 'ns' });
  const response = await fetch(`${influx.url}/query?${parameters}`, { method: 'POST' });
  const exact = (_: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && /^-?\d{16,}$/.test(context?.source ?? '') ? BigInt(context!.source!) : value;
  const answer = JSON.parse(await response.text(), exact) as {
    results: { series?: Table[]; error?: string }[];
    error?: string;
  };
  expect(answer.error ?? answer.results[0]!.error).toBeUndefined();
  return answer.results[0]!.series ?? [];
}

/** The one row of a table, by column. */
const rowOf = ({ columns, values }: Table, row = 0): Record<string, Cell> =>
  Object.fromEntries(columns.map((column, index) => [column, values[row]![index]!]));

interface Sending {
  readonly run: AgentRun;
  settled(): Promise<void>;
}

/** Sends batches through a whole agent. */
async function beginToSend(batches: readonly Batch[], options: Readonly<Record<string, unknown>>): Promise<Sending> {
  const stage = createStage();
  const signals = [...new Set(batches.map(({ signal }) => signal))];
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: { influxdb: { retry: { initial: '100ms', max: '100ms' }, ...options } },
      pipelines: Object.fromEntries(
        signals.map((signal) => [signal, { receivers: ['pushed'], exporters: ['influxdb'] }]),
      ),
    },
    { ...stage, exporters: [influxdb] },
  );
  await run.agent.start();
  const { next } = stage.pushed.get('pushed')!;
  for (const batch of batches) await next[batch.signal]!.consume(batch as never);
  return {
    run,
    async settled() {
      for (const signal of signals) {
        const count = batches.reduce((sum, one) => sum + (one.signal === signal ? one.count : 0), 0);
        await until('all is settled', async () => {
          const { accepted, queued } = run.figures('influxdb', signal);
          return accepted >= count && queued === 0;
        });
      }
    },
  };
}

/** Sends batches through a whole agent, and waits until they are settled. */
async function send(batches: readonly Batch[], options: Readonly<Record<string, unknown>>): Promise<AgentRun> {
  const { run, settled } = await beginToSend(batches, options);
  await settled();
  return run;
}

const ledger = (run: AgentRun, signal?: 'metrics' | 'logs') => {
  const { accepted, sent, dropped } = run.figures('influxdb', signal);
  return { accepted, sent, dropped: Object.fromEntries(dropped) };
};

const v1 = (database: string) => ({ endpoint: influx.url, api: 'v1', database });
const NOW = 1_790_000_000_123_456_789n;

const gauge = (name: string, valueType: 'int' | 'double' = 'double') => metric(name, { kind: 'gauge', valueType });

describe('InfluxDB 1.6', () => {
  test('has every value, with its type, sign and last digit', async () => {
    const database = await createDatabase();
    const doubles = [0.1, -0, 5e-324, 1.7976931348623157e308, 1e21, -1e-7, 2 ** 53, 42, NaN, Infinity, -Infinity];
    const ints = [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
    const run = await send(
      [
        metricBatch(
          doubles.map((_, i) => series(gauge('doubles'), { i })),
          doubles,
          { time: NOW },
        ),
        metricBatch(
          ints.map((_, i) => series(gauge('ints', 'int'), { i })),
          ints.map(Number),
          { time: NOW, exactValues: new Map(ints.map((value, i) => [i, value])) },
        ),
      ],
      v1(database),
    );
    const read = async (name: string): Promise<Cell[]> => {
      const tables = await query(database, `SELECT gauge FROM ${name} GROUP BY i`);
      const rows = tables.map((table) => [Number(table.tags!['i']), rowOf(table)] as const);
      for (const [, { time }] of rows) expect(time).toBe(NOW);
      return rows.toSorted(([a], [b]) => a - b).map(([, row]) => row['gauge']!);
    };
    expect((await read('doubles')).map(Number)).toEqual(doubles.slice(0, 8));
    expect((await read('ints')).map(BigInt as (value: Cell) => bigint)).toEqual(ints);
    const types = await query(database, 'SHOW FIELD KEYS');
    expect(types.map(({ name, values }) => [name, ...values[0]!])).toEqual([
      ['doubles', 'gauge', 'float'],
      ['ints', 'gauge', 'integer'],
    ]);
    expect(ledger(run)).toEqual({ accepted: 16, sent: 13, dropped: { not_representable: 3 } });
  });

  test('has names and tags as they were, but for what line protocol cannot carry', async () => {
    const database = await createDatabase();
    const texts = [
      'a b',
      'a,b',
      'a=b',
      'a"b',
      "a'b",
      'C:\\Windows',
      '\\\\server\\share',
      'a\\,b',
      'a\\ b',
      'a\\=b',
      'ü€😀',
      '#x',
      '{"a":1}',
      '\\"',
      '\\n',
      ',',
      '=',
      '"',
      'x\\" y"',
      '\\ \\ x',
      "';--",
      '=,= ,',
    ];
    const changed = [
      ['two\nlines', 'two\\nlines'],
      ['a\tb\u0001', 'a\\tb\\u0001'],
      ['C:\\', 'C:'],
    ] as const;
    const all = [...texts.map((text) => [text, text] as const), ...changed];
    const run = await send(
      [
        metricBatch(
          all.map(([text], i) =>
            series(gauge(`hard ${text.replaceAll('\\', '')}`), { i, [`key ${text}`]: text, empty: '' }),
          ),
          all.map((_, i) => i),
          { time: NOW },
        ),
      ],
      v1(database),
    );
    expect(ledger(run)).toEqual({ accepted: all.length, sent: all.length, dropped: {} });
    const found = new Map<string, Record<string, Cell>>();
    for (const table of await query(database, 'SELECT * FROM /.*/')) {
      table.values.forEach((_, row) => {
        const set = Object.entries(rowOf(table, row)).filter(([, cell]) => cell !== null);
        found.set(String(Object.fromEntries(set)['i']), { measurement: table.name, ...Object.fromEntries(set) });
      });
    }
    const expected = all.map(([sent, held], i) => ({
      measurement: `hard ${sent.replaceAll('\\', '').replace('\n', '\\n').replace('\t', '\\t').replace('\u0001', '\\u0001')}`,
      time: NOW,
      gauge: i,
      i: String(i),
      [`key ${held}`]: held,
      'host.name': 'test',
      'otel.library.name': 'test',
    }));
    expect([...found].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, row]) => row)).toEqual(expected);
  });

  test('has kinds, start times, delta and distributions as the schema telegraf-prometheus-v1 lays down', async () => {
    const database = await createDatabase();
    const run = await send([...kinds()], v1(database));
    expect(ledger(run)).toEqual({ accepted: 8, sent: 7, dropped: { ended: 1 } });
    const tables = await query(database, 'SELECT * FROM /.*/');
    const rows = tables.map((table) => {
      const { 'host.name': host, 'otel.library.name': library, ...own } = rowOf(table);
      if (!table.name.endsWith('_exemplar')) expect([host, library]).toEqual(['test', 'test']);
      return [
        table.name,
        Object.fromEntries(Object.entries(own).filter(([, cell]) => cell !== null && cell !== undefined)),
      ];
    });
    expect(Object.fromEntries(rows)).toEqual({
      counter: { time: NOW, start_time_unix_nano: START, counter: 5 },
      delta: { time: NOW, start_time_unix_nano: START, gauge: 3 },
      exponential: {
        time: NOW,
        start_time_unix_nano: START,
        count: 6,
        sum: 21,
        '0': 1,
        '1': 2,
        '2': 3,
        '4': 6,
        '+Inf': 6,
      },
      gauge: { time: NOW, gauge: 1.5 },
      histogram: {
        time: NOW,
        start_time_unix_nano: START,
        count: 6,
        sum: 7.5,
        min: 0.1,
        max: 9,
        '0.5': 1,
        '5': 3,
        '+Inf': 6,
      },
      histogram_exemplar: {
        time: NOW - 5n,
        gauge: 0.4,
        span_id: '00f067aa0ba902b7',
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        user: 'a b',
      },
      summary: { time: NOW, start_time_unix_nano: START, count: 9, sum: 45, '0.5': 4, '0.99': 8.5 },
      updown: { time: NOW, start_time_unix_nano: START, gauge: -2 },
    });
  });

  test('has the same in one measurement with telegraf-prometheus-v2', async () => {
    const database = await createDatabase();
    const run = await send([...kinds()], { ...v1(database), schema: 'telegraf-prometheus-v2', max_lines: 3 });
    expect(ledger(run)).toEqual({ accepted: 8, sent: 7, dropped: { ended: 1 } });
    const read = async (fields: string, tag: string): Promise<[string, ...Cell[]][]> => {
      const tables = await query(database, `SELECT ${fields} FROM prometheus GROUP BY "${tag}"`);
      return tables.map(({ tags, values }) => [tags![tag]!, ...values[0]!.slice(1)]);
    };
    expect(await read('counter, delta, gauge, updown', 'host.name')).toEqual([['test', 5, 3, 1.5, -2]]);
    expect(await read('histogram_count, histogram_sum, histogram_min, histogram_max', 'le')).toEqual([
      ['', 6, 7.5, 0.1, 9],
    ]);
    expect(await read('histogram_bucket', 'le')).toEqual([
      ['+Inf', 6],
      ['0.5', 1],
      ['5', 3],
    ]);
    expect(await read('summary', 'quantile')).toEqual([
      ['0.5', 4],
      ['0.99', 8.5],
    ]);
    expect((await query(database, 'SELECT gauge FROM histogram_exemplar'))[0]!.values).toEqual([[NOW - 5n, 0.4]]);
  });

  test('has the same with otel-v1', async () => {
    const database = await createDatabase();
    const run = await send([...kinds()], { ...v1(database), schema: 'otel-v1' });
    expect(ledger(run)).toEqual({ accepted: 8, sent: 7, dropped: { ended: 1 } });
    const types = await query(database, 'SHOW FIELD KEYS');
    const ofScope = ['telemetry.sdk.name', 'string'];
    const ofStart = ['start_time_unix_nano', 'integer'];
    expect(types.map(({ name, values }) => [name, values])).toEqual([
      ['counter_1_sum', [ofStart, ofScope, ['value_cumulative_monotonic_int', 'integer']]],
      ['delta_1_sum', [ofStart, ofScope, ['value_delta_monotonic_int', 'integer']]],
      [
        'exponential_1_exponentialhistogram',
        [
          ['count', 'integer'],
          ...['0', '1', '2', '4'].map((bound) => [`cumulative_${bound}`, 'integer']),
          ofStart,
          ['sum', 'float'],
          ofScope,
        ],
      ],
      ['gauge_1_gauge', [ofScope, ['value_double', 'float']]],
      [
        'histogram_1_histogram',
        [
          ['count', 'integer'],
          ['delta_0.5', 'integer'],
          ['delta_5', 'integer'],
          ['max', 'float'],
          ['min', 'float'],
          ofStart,
          ['sum', 'float'],
          ofScope,
        ],
      ],
      ['histogram_exemplar', [['gauge', 'float']]],
      [
        'summary_1_summary',
        [
          ['count', 'integer'],
          ['quantile_0.5', 'float'],
          ['quantile_0.99', 'float'],
          ofStart,
          ['sum', 'float'],
          ofScope,
        ],
      ],
      ['updown_1_sum', [ofStart, ofScope, ['value_cumulative_nonmonotonic_int', 'integer']]],
    ]);
    const counts = await query(database, 'SELECT "delta_0.5", "delta_5", count FROM histogram_1_histogram');
    expect(counts[0]!.values).toEqual([[NOW, 1, 2, 6]]);
  });

  test('has log records with every character, also many of one nanosecond', async () => {
    const database = await createDatabase();
    const bodies = [
      'plain',
      'two\nlines\n    at x',
      '"quoted" \\ and \\" \\\\',
      'ü€😀 \u0001\t',
      'a=b,c 1\nlogs body="forged" 1',
      '',
    ];
    const records = [
      ...bodies.map((body) =>
        logRecord(body, { time: NOW, observedTime: NOW + 7n, attributes: { n: 1n, 'a"b': '\n' } }),
      ),
      logRecord(
        { deep: [1, true] },
        {
          time: 0n,
          observedTime: NOW + 1_000n,
          severityNumber: 0,
          severityText: '',
          eventName: 'e',
          flags: 1,
          droppedAttributesCount: 2,
          traceId: 'aa',
          spanId: 'bb',
        },
      ),
    ];
    const run = await send([logBatch(records)], { ...v1(database), precision: 's', log_dimensions: ['host.name'] });
    expect(ledger(run)).toEqual({ accepted: 7, sent: 7, dropped: {} });
    const [table] = await query(database, 'SELECT * FROM logs');
    const rows = table!.values.map((_, row) => rowOf(table!, row));
    expect(rows.slice(0, 6).map(({ time, body }) => [time, body])).toEqual(
      bodies.map((body, i) => [NOW + BigInt(i), body]),
    );
    expect(rows[0]).toEqual({
      time: NOW,
      attributes: '{"otel.library.name":"test","n":1,"a\\"b":"\\n"}',
      body: 'plain',
      dropped_attributes_count: null,
      event_name: null,
      flags: null,
      'host.name': 'test',
      observed_time_unix_nano: NOW + 7n,
      severity_number: 9,
      severity_text: 'INFO',
      span_id: null,
      trace_id: null,
    });
    expect(rows[6]).toMatchObject({
      time: NOW + 1_000n,
      body: '{"deep":[1,true]}',
      dropped_attributes_count: 2,
      event_name: 'e',
      flags: 1,
      span_id: 'bb',
      trace_id: 'aa',
    });
  });

  test('refuses the points of another type: those count, and the others are there', async () => {
    const database = await createDatabase();
    const one = (valueType: 'int' | 'double', values: readonly number[]) =>
      metricBatch(
        values.map((value) => series(gauge('typed', valueType), { value })),
        values,
        { time: NOW },
      );
    const run = await send([one('int', [1, 2, 3]), one('double', [4.5, 5.5]), one('int', [6])], v1(database));
    expect(ledger(run)).toEqual({ accepted: 6, sent: 4, dropped: { rejected_by_backend: 2 } });
    expect(run.lines.join('')).toContain('partial write: field type conflict');
    const [table] = await query(database, 'SELECT gauge FROM typed');
    expect(table!.values.map(([, value]) => value).toSorted()).toEqual([1, 2, 3, 6]);
  });

  test('refuses a line that it cannot parse: that one counts, and the others are there', async () => {
    const database = await createDatabase();
    // The longest series key of InfluxDB 1 has 65535 bytes.
    const layout = ['a', 'x'.repeat(70_000), 'b'].map((tag) => series(gauge('long'), { tag }));
    const run = await send([metricBatch(layout, [1, 2, 3], { time: NOW })], v1(database));
    expect(ledger(run)).toEqual({ accepted: 3, sent: 2, dropped: { rejected_by_backend: 1 } });
    const [table] = await query(database, 'SELECT gauge FROM long');
    expect(table!.values.map(([, value]) => value).toSorted()).toEqual([1, 3]);
  });

  test.each([
    ['us', 1_000n],
    ['ms', 1_000_000n],
    ['s', 1_000_000_000n],
  ] as const)('has times cut to %s', async (precision, unit) => {
    const database = await createDatabase();
    const times = BigUint64Array.from([NOW, NOW + 5_000_000_000n]);
    const layout = [series(gauge('cut')), series(gauge('cut'), { other: true })];
    await send([metricBatch(layout, [1, 2], { times })], { ...v1(database), precision });
    const [table] = await query(database, 'SELECT gauge FROM cut');
    expect(table!.values.map(([time]) => time)).toEqual([...times].map((time) => (time / unit) * unit));
  });

  test('gets what was measured before its database was made', async () => {
    const { run, settled } = await beginToSend([metricBatch([series(gauge('early'))], [1], { time: NOW })], v1('late'));
    await until('it is refused', async () => run.lines.join('').includes('database not found'));
    await query('', 'CREATE DATABASE late');
    await settled();
    expect(ledger(run)).toEqual({ accepted: 1, sent: 1, dropped: {} });
    expect((await query('late', 'SELECT gauge FROM early'))[0]!.values).toEqual([[NOW, 1]]);
  });
});

const START = NOW - 60_000_000_000n;

/** A point of every kind, and one of a series that ended. */
function kinds(): readonly Batch[] {
  const startTime = START;
  const layout = [
    series(gauge('gauge')),
    series(metric('counter'), {}, { startTime }),
    series(metric('updown', { isMonotonic: false }), {}, { startTime }),
    series(metric('delta', { temporality: 'delta' }), {}, { startTime }),
    series(metric('histogram', { kind: 'histogram', temporality: 'delta', valueType: 'double' }), {}, { startTime }),
    series(metric('exponential', { kind: 'exponential_histogram', valueType: 'double' }), {}, { startTime }),
    series(metric('summary', { kind: 'summary', valueType: 'double' }), {}, { startTime }),
    series(metric('gone'), {}, { startTime }),
  ];
  return [
    metricBatch(layout, [1.5, 5, -2, 3, NaN, NaN, NaN, NaN], {
      time: NOW,
      flags: Uint32Array.from([0, 0, 0, 0, 0, 0, 0, 1]),
      points: [
        undefined,
        undefined,
        undefined,
        undefined,
        {
          type: 'histogram',
          count: 6n,
          sum: 7.5,
          min: 0.1,
          max: 9,
          explicitBounds: [0.5, 5],
          bucketCounts: [1n, 2n, 3n],
        },
        {
          type: 'exponential_histogram',
          count: 6n,
          sum: 21,
          scale: 0,
          zeroCount: 1n,
          zeroThreshold: 0,
          positive: { offset: -1, bucketCounts: [1n, 1n, 3n] },
          negative: { offset: 0, bucketCounts: [] },
        },
        {
          type: 'summary',
          count: 9n,
          sum: 45,
          quantiles: [
            { quantile: 0.5, value: 4 },
            { quantile: 0.99, value: 8.5 },
          ],
        },
        undefined,
      ],
      exemplars: [
        undefined,
        undefined,
        undefined,
        undefined,
        [
          {
            time: NOW - 5n,
            value: 0.4,
            filteredAttributes: { user: 'a b' },
            traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
            spanId: '00f067aa0ba902b7',
          },
        ],
        undefined,
        undefined,
        undefined,
      ],
    }),
  ];
}

test.each([
  ['v1', '/write', { database: 'db' }],
  ['v2', '/api/v2/write', { org: 'o', bucket: 'b' }],
])('VictoriaMetrics has by its %s path %s what was sent', async (api, _, place) => {
  // It keeps a month.
  const now = BigInt(Date.now()) * 1_000_000n;
  const texts = ['a b', 'a,b', 'a=b', "a'b", 'C:\\Windows', 'ü€😀', '{"a":1}', '\\n', '#x', 'a"b'];
  // It keeps decimals of 12 digits or more: no negative zero, and not each of the smallest and largest doubles.
  const values = [0.1, 0.333333, -1e-7, 2 ** 53, 42, 0, 1e21, -2.5, 123456.789, 1e-300];
  const layout = texts.map((text, i) => series(gauge(`victoria.${api}`), { i, text }));
  const ints = [series(gauge(`victoria.${api}.int`, 'int'), {})];
  const run = await send(
    [
      metricBatch(layout, values, { time: now }),
      metricBatch(ints, [2 ** 53], { time: now, exactValues: new Map([[0, 2n ** 53n + 2n]]) }),
    ],
    { endpoint: victoria.url, api, precision: 'ns', ...place },
  );
  expect(ledger(run)).toEqual({ accepted: 11, sent: 11, dropped: {} });
  await fetch(`${victoria.url}/internal/force_flush`);
  const read = async (name: string) => {
    const match = encodeURIComponent(`{__name__="${name}_gauge"}`);
    const lines = await (await fetch(`${victoria.url}/api/v1/export?match[]=${match}`)).text();
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { metric: Record<string, string>; values: number[]; timestamps: number[] })
      .toSorted((a, b) => Number(a.metric['i']) - Number(b.metric['i']));
  };
  await until(
    'all is there',
    async () =>
      (await read(`victoria.${api}`)).length === texts.length && (await read(`victoria.${api}.int`)).length === 1,
  );
  const found = await read(`victoria.${api}`);
  expect(found.map(({ metric: labels }) => labels['text'])).toEqual(texts);
  expect(found.map(({ timestamps }) => timestamps)).toEqual(texts.map(() => [Number(now / 1_000_000n)]));
  expect(found.map(({ values: held }) => held)).toEqual(values.map((value) => [value]));
  expect((await read(`victoria.${api}.int`))[0]!.values).toEqual([2 ** 53 + 2]);
});
