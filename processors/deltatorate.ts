/** Turns delta sums into rates. */
import * as v from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { option } from '../src/config/options.ts';
import { NO_RECORDED_VALUE, Series, type Metric, type MetricBatch } from '../src/model/batch.ts';
import type { Layout } from '../src/model/layout.ts';
import { selectRows } from '../src/model/select.ts';
import { createNameFilter, globs } from '../src/text/name_filter.ts';

/** Series whose rate is remembered; the least recent go first. */
const MAX_SERIES = 100_000;

export default defineProcessor({
  type: 'deltatorate',
  about:
    'Turns delta sums into gauges of what was added per second; the name stays, the unit becomes By/s of By. Without a ' +
    'start time a point is divided by the time since the one before; a first point of that kind is counted as no_rate.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    metrics: option(globs(), 'Names of the delta sums that are converted, as globs; all if there is none.', []),
  }),
  create({ config, next, drop }) {
    const isMeant = createNameFilter(config.metrics, []);
    const gauges = new WeakMap<Metric, { readonly metric: Metric | undefined }>();
    const streams = new Map<string, Stream>();
    let lastLayout: Layout = [];

    function gaugeOf(metric: Metric): Metric | undefined {
      let gauge = gauges.get(metric);
      if (gauge === undefined) {
        const isConverted = metric.kind === 'sum' && metric.temporality === 'delta' && isMeant(metric.name);
        gauges.set(metric, (gauge = { metric: isConverted ? toGauge(metric) : undefined }));
      }
      return gauge.metric;
    }

    /** The gauge of a delta series, which is another object at every point: the same gauge as long as the data flow. */
    function streamOf(series: Series, metric: Metric): Stream {
      let stream = streams.get(series.key);
      if (stream === undefined) {
        const gauge = new Series(series.resource, series.scope, metric, series.attributes, 0n);
        stream = { series: gauge, time: undefined };
      } else {
        streams.delete(series.key);
      }
      streams.set(series.key, stream);
      if (streams.size > MAX_SERIES) streams.delete(streams.keys().next().value!);
      return stream;
    }

    function convert(batch: MetricBatch): MetricBatch {
      const { series, values, exactValues, flags } = batch;
      if (!series.some(({ metric }) => gaugeOf(metric) !== undefined)) return batch;
      const rows: number[] = [];
      const layout: Series[] = [];
      const rates = new Map<number, number>();
      for (let row = 0; row < batch.count; row++) {
        const from = series[row]!;
        const metric = gaugeOf(from.metric);
        if (metric !== undefined) {
          const stream = streamOf(from, metric);
          const time = batch.times?.[row] ?? batch.time;
          const isEnd = ((flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0;
          const seconds = secondsOf(from.startTime, stream.time, time);
          stream.time = time;
          if (isEnd) streams.delete(from.key);
          else if (seconds === undefined) continue;
          const value = exactValues?.get(row) ?? values[row]!;
          rates.set(layout.length, isEnd ? NaN : Number(value) / seconds!);
          layout.push(stream.series);
        } else {
          layout.push(from);
        }
        rows.push(row);
      }
      return withRates(selectRows(batch, rows, sameLayout(layout)), rates);
    }

    /** The layout before, if it is of the same series: what follows caches by its identity. */
    function sameLayout(layout: Layout): Layout {
      const isSame = layout.length === lastLayout.length && layout.every((series, row) => series === lastLayout[row]);
      if (!isSame) lastLayout = layout;
      return lastLayout;
    }

    return {
      consume(batch) {
        if (batch.signal !== 'metrics') return next.consume(batch);
        const converted = convert(batch);
        if (converted.count < batch.count) drop('no_rate', batch.count - converted.count);
        if (converted.count === 0 && batch.count > 0 && batch.collection === undefined) return undefined;
        return next.consume(converted);
      },
    };
  },
});

interface Stream {
  readonly series: Series;
  /** Unix nanoseconds of the last point. */
  time: bigint | undefined;
}

function toGauge(metric: Metric): Metric {
  return {
    ...metric,
    kind: 'gauge',
    unit: `${metric.unit === '' ? '1' : metric.unit}/s`,
    isMonotonic: false,
    temporality: 'unspecified',
    valueType: 'double',
  };
}

/** How long a delta took; undefined where nothing tells, or time stood still. */
function secondsOf(startTime: bigint, before: bigint | undefined, time: bigint): number | undefined {
  const start = startTime === 0n ? before : startTime;
  return start === undefined || start >= time ? undefined : Number(time - start) / 1e9;
}

function withRates(batch: MetricBatch, rates: ReadonlyMap<number, number>): MetricBatch {
  const values = Float64Array.from(batch.values);
  for (const [row, rate] of rates) values[row] = rate;
  const exactValues = [...(batch.exactValues ?? [])].filter(([row]) => !rates.has(row));
  const { exactValues: _, ...rest } = batch;
  return { ...rest, values, ...(exactValues.length === 0 ? undefined : { exactValues: new Map(exactValues) }) };
}
