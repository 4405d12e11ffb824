/** A group of rules at work: one after the other, at times that are given, against whatever answers PromQL. */
import { messageOf } from '../errors.ts';
import { labelsKey } from '../promql/labels.ts';
import type { Labels } from '../store/queryable.ts';
import type { Notification } from './alert.ts';
import { setBack, type ActiveAlert } from './alert_states.ts';
import { createAlertingRun, type AlertingRun, type Asked } from './alerting.ts';
import type { RuleGroupStatus, RuleStatus } from './board.ts';
import type {
  AlertTransition,
  Evaluation,
  GroupOptions,
  RuleFailure,
  RuleSample,
  Surroundings,
  VectorSample,
} from './evaluation.ts';
import { record } from './recording.ts';
import { restored, withFor } from './restore.ts';
import type { Rule, RuleGroup } from './rule.ts';

type Steps<Result> = Generator<void, Result, void>;

/** A few milliseconds' worth of storing. */
const SAMPLES_AT_ONCE = 500;

export interface GroupRun {
  readonly group: RuleGroup;
  readonly interval_ms: number;
  /** Evaluates all rules at once. Never throws: a rule that fails costs itself. */
  evaluate(time_ms: number, surroundings: Surroundings): Evaluation;
  /**
   * The same in steps of some milliseconds, but for queries, which are one each: for who has other things to do in
   * between, which `monotonic_ms` should not count. What is returned last is the whole.
   */
  steps(time_ms: number, surroundings: Surroundings): Steps<Evaluation>;
  status(): RuleGroupStatus;
  /** Counts by state. */
  counts(): { pending: number; firing: number };
  /** What has to be kept so that another can go on. */
  memory(): GroupMemory;
  /** Goes on where a group of an earlier configuration was, in this process. */
  takeOver(before: GroupMemory, now_ms: number): void;
  /** Goes on where an earlier process was. */
  restore(before: GroupMemory, now_ms: number): void;
}

export interface GroupMemory {
  /** Time of the last evaluation. */
  readonly at_ms: number;
  readonly rules: readonly RuleMemory[];
}

export interface RuleMemory {
  /** Equal for rules of equal name and labels: they take over from each other, in order. */
  readonly key: string;
  /** By the key of the labels; none of recording rules. */
  readonly active: ReadonlyMap<string, ActiveAlert>;
  /** Series of its last evaluation, by key, to be ended when it makes them no more. */
  readonly series: ReadonlyMap<string, Labels>;
}

export function ruleKey({ name, labels }: Pick<Rule, 'name' | 'labels'>): string {
  return JSON.stringify([name, [...labels].sort(([a], [b]) => (a < b ? -1 : 1))]);
}

interface RuleRun {
  readonly rule: Rule;
  readonly key: string;
  readonly alerting: AlertingRun | undefined;
  series: ReadonlyMap<string, Labels>;
  health: RuleStatus['health'];
  lastError: string;
  lastEvaluation_ms: number;
  evaluation_s: number;
}

/** What is gathered while the rules of a group take their turns. */
interface Gathered {
  readonly samples: RuleSample[];
  readonly transitions: AlertTransition[];
  readonly notifications: Notification[];
  readonly failures: RuleFailure[];
  readonly textErrors: RuleFailure[];
}

export function createGroup(group: RuleGroup, options: GroupOptions): GroupRun {
  const interval_ms = group.interval_ms ?? options.interval_ms;
  const offset_ms = group.queryOffset_ms ?? options.queryOffset_ms;
  const limit = group.limit > 0 ? group.limit : options.maxAlerts;
  const runs: RuleRun[] = group.rules.map((rule) => ({
    rule,
    key: ruleKey(rule),
    alerting:
      rule.kind === 'alerting'
        ? createAlertingRun(rule, { ...options, interval_ms, group: group.name, limit })
        : undefined,
    series: new Map(),
    health: 'unknown',
    lastError: '',
    lastEvaluation_ms: 0,
    evaluation_s: 0,
  }));
  let lastEvaluation_ms = 0;
  let evaluation_s = 0;
  /** Of rules that are no more. */
  let orphans: Labels[] = [];

  function* evaluateRule(run: RuleRun, time_ms: number, around: Surroundings, into: Gathered): Steps<void> {
    const began_ms = around.monotonic_ms();
    const sample_ms = time_ms - offset_ms;
    const check = (): void => {
      if (around.monotonic_ms() - began_ms > options.ruleTime_ms) {
        throw new Error(`it takes longer than ${options.ruleTime_ms} ms`);
      }
    };
    const ask =
      (at_ms: number) =>
      (expression: string): readonly VectorSample[] => {
        check();
        return around.query(expression, at_ms);
      };
    const asked: Asked = { now: ask(time_ms), offset: ask(sample_ms), sample_ms, check };
    run.lastEvaluation_ms = time_ms;
    try {
      const samples = yield* outcome(run, time_ms, asked, into);
      run.health = 'ok';
      run.lastError = '';
      yield* keep(run, samples, sample_ms, around, into);
    } catch (error) {
      fail(run, messageOf(error), into);
      // Its alerts are as before: who follows in the pipeline must not take them for ended.
      into.samples.push(...(run.alerting?.samples(sample_ms) ?? []));
    } finally {
      run.evaluation_s = (around.monotonic_ms() - began_ms) / 1000;
    }
  }

  function* outcome(
    { rule, alerting }: RuleRun,
    time_ms: number,
    asked: Asked,
    into: Gathered,
  ): Steps<readonly RuleSample[]> {
    if (rule.kind === 'recording') return record(rule, asked.offset(rule.expr), asked.sample_ms, group.limit);
    const { samples, transitions, textErrors } = yield* alerting!.evaluate(time_ms, asked);
    into.transitions.push(...transitions);
    into.notifications.push(...alerting!.due(time_ms));
    for (const error of textErrors) into.textErrors.push({ rule: rule.name, error });
    return samples;
  }

  /** Stores what a rule made, and ends what it makes no more. */
  function* keep(
    run: RuleRun,
    samples: readonly RuleSample[],
    sample_ms: number,
    around: Surroundings,
    into: Gathered,
  ): Steps<void> {
    const made = new Map<string, Labels>();
    for (const sample of samples) {
      const refused = around.append(sample);
      if (refused === undefined) made.set(labelsKey(sample.labels), sample.labels);
      else fail(run, `a sample is not taken: ${refused}`, into);
      into.samples.push(sample);
      if (into.samples.length % SAMPLES_AT_ONCE === 0) yield;
    }
    for (const [key, labels] of run.series) if (!made.has(key)) end(labels, sample_ms, around, into);
    run.series = made;
  }

  function end(labels: Labels, time_ms: number, around: Surroundings, into: Gathered): void {
    const sample: RuleSample = { labels, time_ms, value: 'stale' };
    // Where it cannot be stored, there was nothing of it, or something newer.
    around.append(sample);
    into.samples.push(sample);
  }

  function fail(run: RuleRun, error: string, into: Gathered): void {
    run.health = 'err';
    run.lastError = error;
    into.failures.push({ rule: run.rule.name, error });
  }

  function* steps(time_ms: number, around: Surroundings): Steps<Evaluation> {
    const into: Gathered = { samples: [], transitions: [], notifications: [], failures: [], textErrors: [] };
    let took_s = 0;
    if (time_ms < lastEvaluation_ms) {
      for (const { alerting } of runs) {
        for (const alert of alerting?.active.values() ?? []) setBack(alert, lastEvaluation_ms - time_ms, time_ms);
      }
    }
    for (const run of runs) {
      yield* evaluateRule(run, time_ms, around, into);
      took_s += run.evaluation_s;
      yield;
    }
    for (const labels of orphans) end(labels, time_ms - offset_ms, around, into);
    orphans = [];
    lastEvaluation_ms = time_ms;
    evaluation_s = took_s;
    return { time_ms, ...into };
  }

  /** Gives each rule what one of equal name and labels had, in order; what nobody takes is to be ended. */
  function adopt(before: GroupMemory, change: (alert: ActiveAlert, for_ms: number) => ActiveAlert | undefined): void {
    const left = [...before.rules];
    for (const run of runs) {
      const index = left.findIndex(({ key }) => key === run.key);
      if (index === -1) continue;
      const [memory] = left.splice(index, 1);
      run.series = memory!.series;
      if (run.rule.kind === 'recording') continue;
      for (const [key, alert] of memory!.active) {
        const changed = change(alert, run.rule.for_ms);
        if (changed !== undefined) run.alerting!.active.set(key, changed);
      }
    }
    orphans.push(...left.flatMap(({ series }) => [...series.values()]));
  }

  return {
    group,
    interval_ms,
    steps,
    evaluate(time_ms, around) {
      const all = steps(time_ms, around);
      for (;;) {
        const { done, value } = all.next();
        if (done === true) return value;
      }
    },
    status: () => ({
      name: group.name,
      file: group.file,
      interval_ms,
      limit: group.limit,
      lastEvaluation_ms,
      evaluation_s,
      rules: runs.map(statusOf),
    }),
    counts() {
      const counts = { pending: 0, firing: 0 };
      for (const { alerting } of runs) {
        for (const { state } of alerting?.active.values() ?? []) if (state !== 'inactive') counts[state]++;
      }
      return counts;
    },
    memory: () => ({
      at_ms: lastEvaluation_ms,
      rules: runs.map(({ key, alerting, series }) => ({ key, series, active: alerting?.active ?? new Map() })),
    }),
    takeOver(before, now_ms) {
      adopt(before, (alert, for_ms) => withFor(alert, for_ms, now_ms));
      lastEvaluation_ms = before.at_ms;
    },
    restore(before, now_ms) {
      adopt(before, (alert, for_ms) => restored(alert, before.at_ms, now_ms, { for_ms, interval_ms }));
      lastEvaluation_ms = Math.min(before.at_ms, now_ms);
    },
  };
}

function statusOf(run: RuleRun): RuleStatus {
  const { rule, alerting, health, lastError, lastEvaluation_ms, evaluation_s } = run;
  const isAlert = rule.kind === 'alerting';
  return {
    type: rule.kind,
    name: rule.name,
    query: rule.expr,
    labels: rule.labels,
    annotations: isAlert ? rule.annotations : new Map(),
    for_ms: isAlert ? rule.for_ms : 0,
    keepFiringFor_ms: isAlert ? rule.keepFiringFor_ms : 0,
    health,
    lastError,
    lastEvaluation_ms,
    evaluation_s,
    alerts: alerting?.alerts() ?? [],
  };
}
