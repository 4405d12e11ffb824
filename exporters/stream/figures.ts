/** What the stream says of itself, as metrics of the agent (receiver `self`). */
import { ValueType, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import type { Clients } from './clients.ts';
import type { Ring } from './ring.ts';

/** Lets the meter ask; returns what ends that. */
export function publishFigures(meter: Meter, id: string, clients: Clients, ring: Ring): () => void {
  const of = { 'sonde.component.id': id };
  const options = (unit: string, description: string) => ({ unit, description, valueType: ValueType.INT });
  const present = meter.createObservableUpDownCounter(
    'sonde.stream.clients',
    options('{client}', 'Clients of the stream now, by transport.'),
  );
  const events = meter.createObservableCounter('sonde.stream.events', options('{event}', 'Events that came.'));
  const sent = meter.createObservableCounter(
    'sonde.stream.sent',
    options('{event}', 'Events written to clients, each as often as there were clients that wanted it.'),
  );
  const dropped = meter.createObservableCounter(
    'sonde.stream.clients.dropped',
    options('{client}', 'Clients that were sent away, by the reason.'),
  );
  const refused = meter.createObservableCounter(
    'sonde.stream.clients.refused',
    options('{client}', 'Clients that were one too many.'),
  );
  const kept = meter.createObservableUpDownCounter(
    'sonde.stream.kept',
    options('{event}', 'Events kept for clients that come back.'),
  );
  const keptBytes = meter.createObservableUpDownCounter(
    'sonde.stream.usage',
    options('By', 'Memory, nearly, that they take.'),
  );
  const instruments = [present, events, sent, dropped, refused, kept, keptBytes];
  const ofTransport = {
    websocket: { ...of, 'sonde.stream.transport': 'websocket' },
    event_source: { ...of, 'sonde.stream.transport': 'event_source' },
  };
  const ofReason = {
    beyond_ring: { ...of, 'sonde.drop.reason': 'beyond_ring' },
    timeout: { ...of, 'sonde.drop.reason': 'timeout' },
    silent: { ...of, 'sonde.drop.reason': 'silent' },
  };
  const observe = (observer: BatchObservableResult): void => {
    const { account } = clients;
    const counts = clients.counts();
    for (const transport of ['websocket', 'event_source'] as const) {
      observer.observe(present, counts[transport], ofTransport[transport]);
    }
    for (const reason of ['beyond_ring', 'timeout', 'silent'] as const) {
      observer.observe(dropped, account.dropped[reason], ofReason[reason]);
    }
    observer.observe(events, ring.head, of);
    observer.observe(sent, account.sent, of);
    observer.observe(refused, account.refused, of);
    observer.observe(kept, ring.size.events, of);
    observer.observe(keptBytes, ring.size.bytes, of);
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}
