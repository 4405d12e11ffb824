/** The attributes of what is reported, made once for as long as it is, and the observing of its values. */
import type { Observable } from '@opentelemetry/api';
import type { BatchObservableResult } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { setStartTime } from '../../src/model/start_time.ts';
import {
  DESCRIPTORS,
  INVOLUNTARY,
  MAJOR_FAULTS,
  MINOR_FAULTS,
  READ,
  READS,
  RESIDENT,
  SWAP,
  SYSTEM,
  THREADS,
  USER,
  VIRTUAL,
  VOLUNTARY,
  WRITES,
  WRITTEN,
} from '../../src/procfs/process/process.ts';
import type { Metrics } from './metrics.ts';

/** Observables, by the names of the declared metrics. */
export type Instruments = { readonly [K in keyof Metrics]: Observable };

const TICKS_PER_S = 100;

/** Each counter's metric and what tells it apart there. */
const COUNTER_SERIES: readonly {
  readonly metric: keyof Metrics;
  readonly counter: number;
  readonly own: Attributes;
  readonly divisor: number;
}[] = [
  { metric: 'cpuTime', counter: USER, own: { 'cpu.mode': 'user' }, divisor: TICKS_PER_S },
  { metric: 'cpuTime', counter: SYSTEM, own: { 'cpu.mode': 'system' }, divisor: TICKS_PER_S },
  { metric: 'diskIo', counter: READ, own: { 'disk.io.direction': 'read' }, divisor: 1 },
  { metric: 'diskIo', counter: WRITTEN, own: { 'disk.io.direction': 'write' }, divisor: 1 },
  { metric: 'diskOperations', counter: READS, own: { 'disk.io.direction': 'read' }, divisor: 1 },
  { metric: 'diskOperations', counter: WRITES, own: { 'disk.io.direction': 'write' }, divisor: 1 },
  { metric: 'faults', counter: MINOR_FAULTS, own: { 'system.paging.fault.type': 'minor' }, divisor: 1 },
  { metric: 'faults', counter: MAJOR_FAULTS, own: { 'system.paging.fault.type': 'major' }, divisor: 1 },
  { metric: 'contextSwitches', counter: VOLUNTARY, own: { 'process.context_switch.type': 'voluntary' }, divisor: 1 },
  {
    metric: 'contextSwitches',
    counter: INVOLUNTARY,
    own: { 'process.context_switch.type': 'involuntary' },
    divisor: 1,
  },
];

const LEVEL_SERIES: readonly { readonly metric: keyof Metrics; readonly level: number }[] = [
  { metric: 'memoryUsage', level: RESIDENT },
  { metric: 'memoryVirtual', level: VIRTUAL },
  { metric: 'memorySwap', level: SWAP },
  { metric: 'threads', level: THREADS },
  { metric: 'fileDescriptors', level: DESCRIPTORS },
];

export class UnitSeries {
  readonly attributes: Attributes;
  readonly #counters: readonly Attributes[];
  readonly #user: Attributes;
  readonly #system: Attributes;

  /** @param startTime Unix nanoseconds since when its counters count; the meter knows where it is undefined */
  constructor(attributes: Attributes, startTime: bigint | undefined) {
    this.attributes = attributes;
    this.#counters = COUNTER_SERIES.map(({ own }) => ({ ...attributes, ...own }));
    [this.#user, this.#system] = this.#counters as [Attributes, Attributes];
    if (startTime === undefined) return;
    for (const one of [attributes, ...this.#counters]) setStartTime(one, startTime);
  }

  observe(
    observer: BatchObservableResult,
    instruments: Instruments,
    counters: readonly number[],
    levels: readonly number[],
  ): void {
    // The meter takes NaN for nothing observed.
    for (let i = 0; i < COUNTER_SERIES.length; i++) {
      const { metric, counter, divisor } = COUNTER_SERIES[i];
      const value = counters[counter];
      observer.observe(instruments[metric], divisor === 1 ? value : value / divisor, this.#counters[i]);
    }
    for (const { metric, level } of LEVEL_SERIES) {
      observer.observe(instruments[metric], levels[level], this.attributes);
    }
  }

  observeUtilization(observer: BatchObservableResult, instrument: Observable, user: number, system: number): void {
    observer.observe(instrument, user, this.#user);
    observer.observe(instrument, system, this.#system);
  }
}
