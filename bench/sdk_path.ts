/**
 * 10,000 series observed and encoded: our meter, OTLP encoder and Prometheus exporter against sdk-metrics and the SDK's
 * serializers. The same series through both, with the same stable attributes objects, and every value new every time.
 * Usage: node bench/sdk_path.ts
 */
import type { BatchObservableCallback, Meter, Observable } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import { formatResults, measure, target } from './measure.ts';
import { runPrometheus } from './pull.ts';

const SERIES = 10_000;
const INSTRUMENTS = 50;

class Reader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

/** 50 instruments, half counters, half gauges, of 200 series each. */
function populate(meter: Meter): void {
  const instruments: Observable[] = [];
  for (let i = 0; i < INSTRUMENTS; i++) {
    const name = `bench.metric.${i}`;
    const options = { unit: 'By', description: 'A metric of the benchmark.' };
    instruments.push(
      i % 2 === 0 ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options),
    );
  }
  const attributes = Array.from({ length: SERIES / INSTRUMENTS }, (_, i) => ({
    'system.device': `sd${i}`,
    'disk.io.direction': i % 2 === 0 ? 'read' : 'write',
    'cpu.logical_number': i,
  }));
  let tick = 0;
  const observe: BatchObservableCallback = (observer) => {
    tick++;
    for (const instrument of instruments) {
      for (let i = 0; i < attributes.length; i++) observer.observe(instrument, tick * (i + 1) + 0.5, attributes[i]);
    }
  };
  meter.addBatchObservableCallback(observe, instruments);
}

const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
const resource = { attributes: { 'service.name': 'bench' }, schemaUrl: '' };
const ours = new ObservableMeter({ resource, scope, bootTime: 1n, agentStartTime: 1n });
populate(ours);
const reader = new Reader({ cardinalitySelector: () => SERIES });
populate(new MeterProvider({ readers: [reader] }).getMeter('bench', '1'));
const limit = createTimeLimit();
const collect = async () => {
  const time = BigInt(Date.now()) * 1_000_000n;
  return (await ours.collect({ time, receiver: 'bench', onDemand: false, limit })).batches[0];
};

console.log(`### Observe ${SERIES} series and encode them as OTLP protobuf\n`);
const otlp = await measure([
  { name: 'Sonde: meter, OTLP encoder', run: async () => encodeMetrics(await collect()) },
  {
    name: 'SDK: collect, ProtobufMetricsSerializer',
    run: async () => ProtobufMetricsSerializer.serializeRequest((await reader.collect()).resourceMetrics),
  },
]);
console.log(formatResults(otlp, SERIES));
console.log();
target('CPU of observing and OTLP encoding, of the SDK’s', 0.05, otlp[0].ratio);

console.log(`\n### Observe ${SERIES} series and write them as Prometheus text\n`);
const exporter = await runPrometheus(resource);
const serializer = new PrometheusSerializer();
const text = await measure([
  {
    name: 'Sonde: meter, prometheus exporter',
    async run() {
      exporter.consume(await collect());
      return exporter.scrape();
    },
  },
  {
    name: 'SDK: collect, PrometheusSerializer',
    run: async () => Buffer.from(serializer.serialize((await reader.collect()).resourceMetrics)),
  },
]);
console.log(formatResults(text, SERIES));
console.log();
target('CPU of observing and Prometheus text, of the SDK’s', 0.15, text[0].ratio);
