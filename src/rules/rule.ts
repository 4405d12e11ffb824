/**
 * Rules as plain data, whatever they were written in: Prometheus rule files, the short form of thresholds, Drools.
 * Durations are milliseconds.
 */
import type { Place } from '../errors.ts';

export interface RuleFile {
  /** As it is shown: a path, or the name of what it was made from. */
  readonly path: string;
  readonly groups: readonly RuleGroup[];
}

export interface RuleGroup {
  readonly name: string;
  /** Of the {@link RuleFile} it stands in: names are unique in a file only. */
  readonly file: string;
  /** Undefined: the evaluation interval of whoever evaluates it. */
  readonly interval_ms: number | undefined;
  /** Most alerts, or recorded series, of one rule; 0 is no limit. */
  readonly limit: number;
  /** How far back it looks; undefined: as far as whoever evaluates it does by default. */
  readonly queryOffset_ms: number | undefined;
  /** Added to those of every rule, whose own go before. */
  readonly labels: ReadonlyMap<string, string>;
  readonly rules: readonly Rule[];
  readonly source?: Place | undefined;
}

export type Rule = AlertingRule | RecordingRule;

interface RuleBase {
  /** `alertname`, or the name of the recorded metric. */
  readonly name: string;
  /** PromQL. */
  readonly expr: string;
  /** With those of the group. Of alerts they are templates. */
  readonly labels: ReadonlyMap<string, string>;
  readonly source?: Place | undefined;
  /** Where `expr` begins in it. */
  readonly exprSource?: Place | undefined;
}

export interface RecordingRule extends RuleBase {
  readonly kind: 'recording';
}

export interface AlertingRule extends RuleBase {
  readonly kind: 'alerting';
  /** How long the expression must hold before it fires. */
  readonly for_ms: number;
  /** How long it goes on firing when the expression does not hold any more. */
  readonly keepFiringFor_ms: number;
  /** Templates. */
  readonly annotations: ReadonlyMap<string, string>;
  /**
   * Hysteresis, which rule files of Prometheus do not have: what fires goes on until this expression gives a series of
   * the same labels, whatever `expr` gives.
   */
  readonly clear?: string | undefined;
  /**
   * What an alert does whose data are gone, as rule files of Prometheus cannot say: `ok`, it is over, as in Prometheus;
   * `keep`, it stays as it is; `alert`, it is active until they are back. The last two need {@link data}.
   */
  readonly no_data?: NoData | undefined;
  /** Gives what `expr` judges, with the labels that `expr` gives: series with a number that is not NaN have data. */
  readonly data?: string | undefined;
}

export type NoData = 'ok' | 'keep' | 'alert';
