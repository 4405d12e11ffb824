/** Evaluates rules minute by minute over series, with the store and the engine of the agent. */
import { createEngine } from '../../src/promql/engine.ts';
import { parse } from '../../src/promql/parse.ts';
import type { Alert } from '../../src/rules/alert.ts';
import type { AlertTransition, RuleSample, Surroundings } from '../../src/rules/evaluation.ts';
import { createGroup } from '../../src/rules/group.ts';
import type { RuleGroup } from '../../src/rules/rule.ts';
import { parseMetric } from '../../src/rules/unit_test/series_notation.ts';
import { createStore } from '../../src/store/series_store.ts';
import type { DaySeries } from './replayed_day.ts';

export interface Moment {
  readonly time_ms: number;
  readonly samples: readonly RuleSample[];
  readonly transitions: readonly AlertTransition[];
  readonly firing: readonly Alert[];
}

export interface ReplayOptions {
  readonly minutes: number;
  readonly externalLabels: Readonly<Record<string, string>>;
  readonly externalURL: string;
}

const MINUTE_MS = 60_000;

/** @throws where a rule fails */
export function replay(day: readonly DaySeries[], groups: readonly RuleGroup[], options: ReplayOptions): Moment[] {
  let now_ms = 0;
  const quiet = (): void => undefined;
  const store = createStore({
    // As alert_rules has it for these rules: they look back 6 hours.
    retention_ms: 7 * 3_600_000,
    max_bytes: 1 << 28,
    max_series: 10_000,
    log: { error: quiet, warn: quiet, info: quiet, once: quiet, over: quiet },
    now_ms: () => now_ms,
  });
  const engine = createEngine({ queryable: store, limits: { time_ms: 10_000 } });
  const parsed = new Map<string, ReturnType<typeof parse>>();
  const around: Surroundings = {
    query(text, time_ms) {
      const expression = parsed.get(text) ?? parse(text);
      parsed.set(text, expression);
      const result = engine.instant(expression, time_ms);
      if (result.type === 'vector') return result.rows;
      if (result.type === 'scalar') return [{ labels: new Map(), value: result.value }];
      throw new TypeError(`Cannot use ${text}: it gives a ${result.type}`);
    },
    append: (sample) => store.append(sample.labels, sample.time_ms, sample.value),
    monotonic_ms: () => 0,
  };
  const runs = groups.map((group) =>
    createGroup(group, {
      interval_ms: MINUTE_MS,
      queryOffset_ms: 0,
      externalLabels: new Map(Object.entries(options.externalLabels)),
      externalURL: options.externalURL,
      resendDelay_ms: MINUTE_MS,
      maxAlerts: 1000,
      ruleTime_ms: 10_000,
    }),
  );
  const series = day.map(({ series: name, values }) => ({ labels: parseMetric(name), values }));
  return Array.from({ length: options.minutes + 1 }, (_, minute) => {
    now_ms = minute * MINUTE_MS;
    for (const { labels, values } of series) {
      const value = values[minute];
      if (value !== undefined) store.append(labels, now_ms, value);
    }
    const evaluations = runs.map((run) => run.evaluate(now_ms, around));
    const [failure] = evaluations.flatMap(({ failures }) => failures);
    if (failure !== undefined) throw new Error(`Cannot evaluate ${failure.rule} in minute ${minute}: ${failure.error}`);
    return {
      time_ms: now_ms,
      samples: evaluations.flatMap(({ samples }) => samples),
      transitions: evaluations.flatMap(({ transitions }) => transitions),
      firing: runs
        .flatMap((run) => run.status().rules.flatMap(({ alerts }) => alerts))
        .filter(({ state }) => state === 'firing'),
    };
  });
}
