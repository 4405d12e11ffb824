/**
 * 10,000 series observed and encoded as OTLP: our meter and encoder against sdk-metrics and otlp-transformer.
 * The same series through both, with the same stable attributes objects.
 */
import type { BatchObservableCallback, Meter, Observable } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import { formatResults, measure } from './measure.ts';

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
      for (let i = 0; i < attributes.length; i++) observer.observe(instrument, tick * i + 0.5, attributes[i]);
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

console.log(`## Observe and encode ${SERIES} series as OTLP protobuf\n`);
console.log(
  formatResults(
    await measure([
      { name: 'Sonde: meter + OTLP encoder', run: async () => encodeMetrics(await collect()) },
      {
        name: 'SDK: collect + ProtobufMetricsSerializer',
        run: async () => ProtobufMetricsSerializer.serializeRequest((await reader.collect()).resourceMetrics),
      },
    ]),
  ),
);

const render = createRenderer(resource);
const serializer = new PrometheusSerializer();
console.log(`\n## Observe and render ${SERIES} series as Prometheus text\n`);
console.log(
  formatResults(
    await measure([
      { name: 'Sonde: meter + exposition', run: async () => render(await collect()) },
      {
        name: 'SDK: collect + PrometheusSerializer',
        run: async () => Buffer.from(serializer.serialize((await reader.collect()).resourceMetrics)),
      },
    ]),
  ),
);
