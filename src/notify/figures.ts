/** What notifiers did, as metrics of the agent (receiver `self`). */
import { ValueType, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import type { ChannelFigures } from './channel.ts';

/** Lets the meter ask; returns what ends that. */
export function publishFigures(meter: Meter, id: string, figures: ReadonlyMap<string, ChannelFigures>): () => void {
  const options = (unit: string, description: string) => ({ unit, description, valueType: ValueType.INT });
  const sent = meter.createObservableCounter(
    'sonde.notify.sent',
    options('{alert}', 'Alerts that were delivered, each as often as it was; to Alertmanagers once for each replica.'),
  );
  const failed = meter.createObservableCounter(
    'sonde.notify.failed',
    options('{attempt}', 'Attempts to deliver that failed; most are made again.'),
  );
  const dropped = meter.createObservableCounter(
    'sonde.notify.dropped',
    options('{alert}', 'Alerts that were not delivered, by the reason.'),
  );
  const queued = meter.createObservableUpDownCounter(
    'sonde.notify.queue.length',
    options('{alert}', 'Alerts that wait to be delivered.'),
  );
  const instruments = [sent, failed, dropped, queued];
  const series = [...figures].map(([name, counts]) => ({
    counts,
    of: { 'sonde.component.id': id, 'sonde.notifier': name },
    reasons: new Map<string, Record<string, string>>(),
  }));
  const observe = (observer: BatchObservableResult): void => {
    for (const { counts, of, reasons } of series) {
      observer.observe(sent, counts.sent, of);
      observer.observe(failed, counts.failed, of);
      observer.observe(queued, counts.queued(), of);
      for (const [reason, count] of counts.dropped) {
        let attributes = reasons.get(reason);
        if (attributes === undefined) reasons.set(reason, (attributes = { ...of, 'sonde.drop.reason': reason }));
        observer.observe(dropped, count, attributes);
      }
    }
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}
