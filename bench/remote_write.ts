/**
 * 10,000 series encoded for remote write 2.0, beside the same for OTLP: with the layout that an agent measures again and
 * again, and with a new one each time, as applications push them. Then what is done when they are sent: 2.0 is compressed,
 * or made 1.0 first.
 * Usage: node bench/remote_write.ts
 */
import { createBoard } from '../src/rules/board.ts';
import * as v from 'valibot';
import prometheusremotewrite from '../exporters/prometheusremotewrite.ts';
import { toVersion1 } from '../exporters/prometheusremotewrite/version_1.ts';
import type { PushExporter } from '../src/component.ts';
import { snappyCompress } from '../src/delivery/snappy.ts';
import { Series, type Metric, type MetricBatch } from '../src/model/batch.ts';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { formatResults, measure, target } from './measure.ts';

const SERIES = 10_000;
const METRICS = 50;

const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
const resource = {
  attributes: { 'service.name': 'bench', 'service.instance.id': '4711', 'host.name': 'web-1' },
  schemaUrl: '',
};

/** 50 metrics, half counters, half gauges, of 200 series each; the same at every call, but other objects. */
function createLayout(): readonly Series[] {
  const layout: Series[] = [];
  for (let i = 0; i < METRICS; i++) {
    const isCounter = i % 2 === 0;
    const metric: Metric = {
      name: `bench.metric.${i}`,
      description: 'A metric of the benchmark.',
      unit: 'By',
      kind: isCounter ? 'sum' : 'gauge',
      isMonotonic: isCounter,
      temporality: isCounter ? 'cumulative' : 'unspecified',
      valueType: 'double',
    };
    for (let n = 0; n < SERIES / METRICS; n++) {
      const attributes = { 'system.device': `sd${n}`, 'disk.io.direction': n % 2 === 0 ? 'read' : 'write' };
      layout.push(new Series(resource, scope, metric, { ...attributes, 'cpu.logical_number': n }, 1n));
    }
  }
  return layout;
}

let tick = 0;
function createBatch(series: readonly Series[]): MetricBatch {
  tick++;
  const values = Float64Array.from(series, (_, row) => tick * (row + 1) + 0.5);
  return { signal: 'metrics', count: series.length, series, values, time: BigInt(Date.now() + tick) * 1_000_000n };
}

const exporter = prometheusremotewrite.create({
  id: 'prometheusremotewrite',
  config: v.parse(prometheusremotewrite.config, { target_info: false }),
  log: { info() {}, warn() {}, error() {}, once() {}, over() {} },
  drop() {},
  signals: ['metrics'],
  serve: () => Promise.reject(new Error('Cannot listen: nothing does here')),
  http: () => ({
    canRelease: () => false,
    post: () => Promise.reject(new Error('Cannot send: nothing is sent here')),
    close() {},
  }),
  resource,
  collect: () => Promise.resolve(),
  board: createBoard(),
  answered() {},
  watched() {},
}) as PushExporter;
const encode2 = (batch: MetricBatch): Uint8Array => exporter.encode(batch)[0]!.body;

const [forOtlp, forVersion2] = [createLayout(), createLayout()];
const version2 = encode2(createBatch(forVersion2));
const version1 = toVersion1(version2, true);

console.log(`### ${SERIES} series, of a layout that comes again and again\n`);
const known = await measure([
  { name: 'remote write 2.0', run: () => encode2(createBatch(forVersion2)) },
  { name: 'OTLP', run: () => encodeMetrics(createBatch(forOtlp)) },
]);
console.log(`${formatResults(known, SERIES)}\n`);
target('remote write 2.0 to OTLP', 1.5, known[0]!.ratio);

console.log(`\n### ${SERIES} series, of a layout that comes once\n`);
const fresh = await measure([
  { name: 'remote write 2.0', run: () => encode2(createBatch(createLayout())) },
  { name: 'OTLP', run: () => encodeMetrics(createBatch(createLayout())) },
]);
console.log(formatResults(fresh, SERIES));

console.log(`\n### What is done with ${SERIES} series when they are sent\n`);
const sent = await measure([
  { name: `2.0 to 1.0 (${version2.length} to ${version1.length} bytes)`, run: () => toVersion1(version2, true) },
  { name: `snappy of 1.0 (${snappyCompress(version1).length} bytes)`, run: () => snappyCompress(version1) },
  { name: `snappy of 2.0 (${snappyCompress(version2).length} bytes)`, run: () => snappyCompress(version2) },
]);
console.log(formatResults(sent, SERIES));
