/** What the rules of a group are given, and what comes of them. */
import type { Labels, NativeHistogram } from '../store/queryable.ts';
import type { Alert, Notification } from './alert.ts';

export interface VectorSample {
  readonly labels: Labels;
  /** NaN where it is a histogram. */
  readonly value: number;
  readonly histogram?: NativeHistogram | undefined;
}

/** A sample that a rule makes: of what it records, or of ALERTS and ALERTS_FOR_STATE. */
export interface RuleSample {
  readonly labels: Labels;
  readonly time_ms: number;
  readonly value: number | NativeHistogram | 'stale';
}

export interface Surroundings {
  /**
   * PromQL at a point in time: a vector, or a scalar as a sample without labels.
   * @throws why there is no answer
   */
  query(expression: string, time_ms: number): readonly VectorSample[];
  /** Takes a sample, so that later rules see it; says why not. */
  append(sample: RuleSample): string | undefined;
  /** Milliseconds of a clock that never goes back, for what a rule may take. */
  monotonic_ms(): number;
}

export interface RuleFailure {
  readonly rule: string;
  readonly error: string;
}

export interface AlertTransition {
  readonly to: 'pending' | 'firing' | 'resolved';
  readonly alert: Alert;
}

export interface Evaluation {
  readonly time_ms: number;
  /** What goes on, ended series among it. */
  readonly samples: readonly RuleSample[];
  readonly transitions: readonly AlertTransition[];
  readonly notifications: readonly Notification[];
  readonly failures: readonly RuleFailure[];
  /** Texts that could not be expanded: the alerts are there all the same. */
  readonly textErrors: readonly RuleFailure[];
}

/** What a whole group of rules has beside what each rule says. */
export interface GroupOptions {
  /** For groups that say none. */
  readonly interval_ms: number;
  readonly queryOffset_ms: number;
  readonly externalLabels: ReadonlyMap<string, string>;
  /** '' where there is none. */
  readonly externalURL: string;
  readonly resendDelay_ms: number;
  /** Most alerts of a rule, where its group has no limit of its own. */
  readonly maxAlerts: number;
  /** A rule that takes longer fails. */
  readonly ruleTime_ms: number;
}
