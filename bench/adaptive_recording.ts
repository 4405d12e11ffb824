/**
 * What receivers measured, tick by tick, as columns: a recording of the file exporter made small, and batches made of it.
 * `node bench/adaptive_recording.ts metrics.jsonl adaptive_recording.json.gz` makes one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Series, type Metric, type MetricBatch } from '../src/model/batch.ts';

export interface RecordedSeries {
  readonly metric: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'updown' | 'counter';
  readonly attributes: Readonly<Record<string, string>>;
  /** By tick; null where there was no point. */
  readonly values: (number | null)[];
}

export interface Recording {
  /** Seconds since 1970 of each tick. */
  readonly times_s: readonly number[];
  readonly receivers: Readonly<Record<string, readonly RecordedSeries[]>>;
}

export function readRecording(path: URL): Recording {
  return JSON.parse(gunzipSync(readFileSync(path)).toString()) as Recording;
}

/** The ticks of one receiver as the agent's collector would hand them over. Series without a point are left out. */
export function* batchesOf(
  receiver: string,
  all: readonly RecordedSeries[],
  times_s: readonly number[],
): Generator<MetricBatch> {
  const made = all.map(seriesOf);
  const layouts = new Map<string, Series[]>();
  for (const [tick, time_s] of times_s.entries()) {
    const rows = all.flatMap(({ values }, index) => (values[tick] === null ? [] : [index]));
    if (rows.length === 0) continue;
    const key = rows.join();
    const series = layouts.get(key) ?? rows.map((index) => made[index]!);
    layouts.set(key, series);
    yield {
      signal: 'metrics',
      count: rows.length,
      series,
      values: Float64Array.from(rows, (index) => all[index]!.values[tick]!),
      time: BigInt(Math.round(time_s * 1000)) * 1_000_000n,
      collection: { receiver, onDemand: false },
    };
  }
}

const RESOURCE = { attributes: {}, schemaUrl: '' };

function seriesOf({ metric, unit, kind, attributes }: RecordedSeries): Series {
  const own: Metric = {
    name: metric,
    description: '',
    unit,
    kind: kind === 'gauge' ? 'gauge' : 'sum',
    isMonotonic: kind === 'counter',
    temporality: kind === 'gauge' ? 'unspecified' : 'cumulative',
    valueType: 'double',
  };
  return new Series(RESOURCE, { name: '', version: '', attributes: {}, schemaUrl: '' }, own, attributes, 0n);
}

interface OtlpPoint {
  readonly timeUnixNano: string;
  readonly asInt?: string;
  readonly asDouble?: number;
  readonly attributes?: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}
interface OtlpMetric {
  readonly name: string;
  readonly unit?: string;
  readonly gauge?: { readonly dataPoints: readonly OtlpPoint[] };
  readonly sum?: { readonly dataPoints: readonly OtlpPoint[]; readonly isMonotonic?: boolean };
}
interface OtlpLine {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly scope: { readonly name: string };
      readonly metrics: readonly OtlpMetric[];
    }[];
  }[];
}

/** What a file of OTLP/JSON lines holds of numbers. */
function convert(text: string): Recording {
  const ticks = new Map<
    number,
    Map<string, { readonly receiver: string; readonly one: Omit<RecordedSeries, 'values'>; readonly value: number }>
  >();
  for (const line of text.trimEnd().split('\n')) {
    for (const { scopeMetrics } of (JSON.parse(line) as OtlpLine).resourceMetrics) {
      for (const { scope, metrics } of scopeMetrics) {
        for (const metric of metrics) {
          const data = metric.gauge ?? metric.sum;
          for (const point of data?.dataPoints ?? []) {
            const value = Number(point.asDouble ?? point.asInt);
            if (!Number.isFinite(value)) continue;
            // Receivers of one tick carry one time, but for some milliseconds.
            const time_s = Math.round(Number(BigInt(point.timeUnixNano) / 100_000_000n)) / 10;
            const attributes = Object.fromEntries(
              (point.attributes ?? []).map((one) => [one.key, String(Object.values(one.value)[0])]),
            );
            const kind = metric.gauge !== undefined ? 'gauge' : metric.sum?.isMonotonic === true ? 'counter' : 'updown';
            const receiver = scope.name.replace('sonde.receiver.', '');
            const one = { metric: metric.name, unit: metric.unit ?? '', kind, attributes } as const;
            const tick = ticks.get(time_s) ?? new Map();
            ticks.set(time_s, tick);
            tick.set(JSON.stringify([receiver, one]), { receiver, one, value });
          }
        }
      }
    }
  }
  const times_s = [...ticks.keys()].sort((a, b) => a - b);
  const receivers: Record<string, RecordedSeries[]> = {};
  const known = new Map<string, RecordedSeries>();
  times_s.forEach((time_s, index) => {
    for (const [key, { receiver, one, value }] of ticks.get(time_s)!) {
      let series = known.get(key);
      if (series === undefined) {
        known.set(key, (series = { ...one, values: Array.from<null>({ length: times_s.length }).fill(null) }));
        (receivers[receiver] ??= []).push(series);
      }
      series.values[index] = value;
    }
  });
  return { times_s, receivers };
}

if (import.meta.main) {
  const [from, to] = process.argv.slice(2);
  if (from === undefined || to === undefined) throw new Error('Cannot convert: give a recording and where to write it');
  writeFileSync(to, gzipSync(JSON.stringify(convert(readFileSync(from, 'utf8')))));
}
