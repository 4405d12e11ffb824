/** What rules cost and find, as metrics of the agent (receiver `self`). */
import { ValueType, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import type { StoreFigures } from '../../src/store/series_store.ts';

/** Of one group; counts since the start. */
export interface GroupFigures {
  readonly group: string;
  readonly evaluations: number;
  readonly missed: number;
  readonly failures: number;
  readonly textErrors: number;
  /** Seconds that all evaluations took together, and the last one. */
  readonly total_s: number;
  readonly last_s: number;
  readonly pending: number;
  readonly firing: number;
}

export interface Figures {
  groups(): readonly GroupFigures[];
  store(): StoreFigures;
  /** Samples that the store did not take, by the reason. */
  readonly refused: ReadonlyMap<string, number>;
}

/** Lets the meter ask; returns what ends that. */
export function publishFigures(meter: Meter, id: string, figures: Figures): () => void {
  const of = { 'sonde.component.id': id };
  const counter = (name: string, unit: string, description: string, valueType = ValueType.INT) =>
    meter.createObservableCounter(name, { unit, description, valueType });
  const level = (name: string, unit: string, description: string) =>
    meter.createObservableUpDownCounter(name, { unit, description, valueType: ValueType.INT });
  const evaluations = counter('sonde.rules.evaluations', '{evaluation}', 'Evaluations of groups of rules.');
  const missed = counter('sonde.rules.evaluations.missed', '{evaluation}', 'Evaluations that were leapt over.');
  const failures = counter('sonde.rules.failures', '{evaluation}', 'Evaluations of rules that failed.');
  const texts = counter('sonde.rules.template.failures', '{text}', 'Texts of alerts that could not be expanded.');
  const time = counter('sonde.rules.evaluation.time', 's', 'Time that evaluations took.', ValueType.DOUBLE);
  const duration = meter.createObservableGauge('sonde.rules.evaluation.duration', {
    unit: 's',
    description: 'Time that the last evaluation took.',
    valueType: ValueType.DOUBLE,
  });
  const alerts = level('sonde.rules.alerts', '{alert}', 'Alerts now, by state.');
  const series = level('sonde.rules.store.series', '{series}', 'Series that are kept for rules.');
  const samples = level('sonde.rules.store.samples', '{sample}', 'Samples that are kept for rules.');
  const usage = level('sonde.rules.store.usage', 'By', 'Memory that they take.');
  const refused = counter('sonde.rules.store.refused', '{sample}', 'Samples that were not kept, by the reason.');
  const instruments = [evaluations, missed, failures, texts, time, duration, alerts, series, samples, usage, refused];
  const observe = (observer: BatchObservableResult): void => {
    for (const group of figures.groups()) {
      const attributes = { ...of, 'sonde.rules.group': group.group };
      observer.observe(evaluations, group.evaluations, attributes);
      observer.observe(missed, group.missed, attributes);
      observer.observe(failures, group.failures, attributes);
      observer.observe(texts, group.textErrors, attributes);
      observer.observe(time, group.total_s, attributes);
      observer.observe(duration, group.last_s, attributes);
      observer.observe(alerts, group.pending, { ...attributes, 'sonde.alert.state': 'pending' });
      observer.observe(alerts, group.firing, { ...attributes, 'sonde.alert.state': 'firing' });
    }
    const store = figures.store();
    observer.observe(series, store.series, of);
    observer.observe(samples, store.samples, of);
    observer.observe(usage, store.bytes, of);
    for (const [reason, count] of figures.refused)
      observer.observe(refused, count, { ...of, 'sonde.drop.reason': reason });
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}
