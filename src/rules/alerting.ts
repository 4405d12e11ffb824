/** One alerting rule at work: asks, names its alerts, moves their states on, and says what comes of that. */
import { labelsChanged, labelsKey } from '../promql/labels.ts';
import type { Labels } from '../store/queryable.ts';
import type { Alert } from './alert.ts';
import { advance, takeDue, type ActiveAlert, type FoundAlert, type Transition } from './alert_states.ts';
import type { GroupOptions, RuleSample, VectorSample } from './evaluation.ts';
import { histogramText } from './histogram_text.ts';
import type { AlertingRule } from './rule.ts';
import { alertData, compileAlertText } from './template/alert_text.ts';
import { tableLink } from './template/functions.ts';

/** Label sets that are remembered so that it is seen when their data are gone. */
const MOST_KNOWN = 1000;

/** A few milliseconds' worth of templates. */
const ALERTS_AT_ONCE = 50;

export interface AlertingRun {
  readonly active: Map<string, ActiveAlert>;
  /**
   * Pauses now and then, for who has other things to do in between.
   * @throws {Error} and then the alerts are as before, or gone where there were too many
   */
  evaluate(now_ms: number, asked: Asked): Generator<void, AlertingResult, void>;
  /** ALERTS and ALERTS_FOR_STATE as the last evaluation left them. */
  samples(time_ms: number): readonly RuleSample[];
  /** Alerts to be told now. */
  due(now_ms: number): { readonly alert: Alert; readonly startsAt_ms: number; readonly endsAt_ms: number }[];
  /** Pending and firing. */
  alerts(): Alert[];
}

/** How a rule asks: at the time of the evaluation or, with the offset of the group, before. */
export interface Asked {
  now(expression: string): readonly VectorSample[];
  offset(expression: string): readonly VectorSample[];
  readonly sample_ms: number;
  /** @throws when the rule has had its time */
  check(): void;
}

export interface AlertingResult {
  readonly samples: readonly RuleSample[];
  readonly transitions: readonly { readonly to: Transition['to']; readonly alert: Alert }[];
  readonly textErrors: readonly string[];
}

export interface AlertingOptions extends GroupOptions {
  readonly group: string;
  /** Most alerts; 0 is no limit. */
  readonly limit: number;
}

export function createAlertingRun(rule: AlertingRule, options: AlertingOptions): AlertingRun {
  const { group, limit, externalLabels, externalURL } = options;
  const active = new Map<string, ActiveAlert>();
  /** What had data once, for `no_data: alert`: the labels of the data, by the key of the alert. */
  const known = new Map<string, Labels>();
  const labelTexts = Array.from(rule.labels, ([name, text]) => [name, compileAlertText(text, rule.name)] as const);
  const annotationTexts = Array.from(
    rule.annotations,
    ([name, text]) => [name, compileAlertText(text, rule.name)] as const,
  );
  const generatorURL = externalURL === '' ? '' : externalURL.replace(/\/$/, '') + tableLink(rule.expr.trim());
  const series = new WeakMap<Labels, { readonly alerts: Map<string, Labels>; readonly forState: Labels }>();

  const toAlert = (alert: ActiveAlert): Alert => ({
    labels: alert.labels,
    annotations: alert.annotations,
    state: alert.state === 'inactive' ? 'resolved' : alert.state,
    value: alert.value,
    activeAt_ms: alert.activeAt_ms,
    firedAt_ms: alert.firedAt_ms,
    resolvedAt_ms: alert.resolvedAt_ms,
    group,
    rule: rule.name,
    generatorURL,
  });

  /** Labels and annotations of the alert for a sample. */
  function naming(asked: Asked, errors: string[]) {
    const surroundings = { externalURL, query: asked.now };
    return ({ labels, value, histogram }: VectorSample) => {
      const data = alertData({
        labels,
        externalLabels,
        externalURL,
        value: histogram === undefined ? value : histogramText(histogram),
      });
      const texts = (all: typeof labelTexts): [string, string][] =>
        all.map(([name, text]) => {
          asked.check();
          const expanded = text.expand(data, surroundings);
          if (expanded.error !== undefined) errors.push(expanded.error);
          return [name, expanded.text];
        });
      const changes: [string, string][] = [['__name__', ''], ...texts(labelTexts), ['alertname', rule.name]];
      return { labels: labelsChanged(labels, changes), annotations: () => new Map(texts(annotationTexts)) };
    };
  }

  function* find(asked: Asked, errors: string[]): Generator<void, Map<string, FoundAlert>, void> {
    const name = naming(asked, errors);
    const found = new Map<string, FoundAlert>();
    for (const sample of asked.offset(rule.expr)) {
      const { labels, annotations } = name(sample);
      const key = labelsKey(labels);
      if (found.has(key)) {
        throw new Error('vector contains metrics with the same labelset after applying alert labels');
      }
      found.set(key, { labels, annotations: annotations(), value: sample.value });
      if (found.size % ALERTS_AT_ONCE === 0) yield;
    }
    return found;
  }

  /** Keys of alerts for which an expression gives something; of `data` only where that is a number. */
  function keysOf(expression: string, asked: Asked, isMeant: (sample: VectorSample) => boolean): Map<string, Labels> {
    const name = naming(asked, []);
    const samples = asked.offset(expression).filter(isMeant);
    return new Map(samples.map((sample) => [labelsKey(name(sample).labels), sample.labels]));
  }

  /** Finds what has no data and is to alert for that; says which alerts stay as they are. */
  function judgeAbsence(asked: Asked, found: Map<string, FoundAlert>, errors: string[]) {
    const { clear, data, no_data = 'ok' } = rule;
    if (clear === undefined && (data === undefined || no_data === 'ok')) return () => false;
    const cleared = clear === undefined ? undefined : keysOf(clear, asked, () => true);
    const present = data === undefined ? undefined : keysOf(data, asked, hasNumber);
    if (no_data === 'alert' && present !== undefined) addAbsent(asked, present, found, errors);
    return (key: string, alert: ActiveAlert): boolean => {
      if (present !== undefined && !present.has(key)) return no_data === 'keep';
      return alert.state === 'firing' && cleared !== undefined && !cleared.has(key);
    };
  }

  function addAbsent(
    asked: Asked,
    present: ReadonlyMap<string, Labels>,
    found: Map<string, FoundAlert>,
    errors: string[],
  ): void {
    for (const [key, labels] of present) {
      known.delete(key);
      known.set(key, labels);
    }
    while (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
    const name = naming(asked, errors);
    const add = (labels: Labels): void => {
      const named = name({ labels, value: NaN });
      const key = labelsKey(named.labels);
      if (!found.has(key)) found.set(key, { labels: named.labels, annotations: named.annotations(), value: NaN });
    };
    for (const [key, labels] of known) if (!present.has(key)) add(labels);
    const nothing = labelsKey(name({ labels: new Map(), value: NaN }).labels);
    for (const [key, alert] of active) {
      // One that a process before this knew.
      if (alert.state === 'inactive' || key === nothing || known.has(key) || present.has(key) || found.has(key))
        continue;
      found.set(key, { labels: alert.labels, annotations: alert.annotations, value: alert.value });
    }
    if (known.size === 0 && found.size === 0) add(new Map());
  }

  /** The series of an alert, made once: what is stored finds them by identity. */
  function seriesOf({ labels, state }: ActiveAlert): { alerts: Labels; forState: Labels } {
    let made = series.get(labels);
    if (made === undefined) {
      made = { alerts: new Map(), forState: labelsChanged(labels, [['__name__', 'ALERTS_FOR_STATE']]) };
      series.set(labels, made);
    }
    let alerts = made.alerts.get(state);
    if (alerts === undefined) {
      alerts = labelsChanged(labels, [
        ['__name__', 'ALERTS'],
        ['alertstate', state],
      ]);
      made.alerts.set(state, alerts);
    }
    return { alerts, forState: made.forState };
  }

  function samplesOf(alerts: readonly ActiveAlert[], time_ms: number): RuleSample[] {
    return alerts.flatMap((alert) => {
      const { alerts: labels, forState } = seriesOf(alert);
      return [
        { labels, time_ms, value: 1 },
        { labels: forState, time_ms, value: Math.floor(alert.activeAt_ms / 1000) },
      ];
    });
  }

  const lastingNow = (): ActiveAlert[] => [...active.values()].filter(({ state }) => state !== 'inactive');

  return {
    active,
    samples: (time_ms) => samplesOf(lastingNow(), time_ms),
    *evaluate(now_ms, asked) {
      const textErrors: string[] = [];
      const found = yield* find(asked, textErrors);
      const isHeld = judgeAbsence(asked, found, textErrors);
      const transitions = advance(active, found, now_ms, rule, isHeld);
      const lasting = lastingNow();
      if (limit > 0 && lasting.length > limit) {
        active.clear();
        throw new Error(`exceeded limit of ${limit} with ${lasting.length} alerts`);
      }
      const samples = samplesOf(lasting, asked.sample_ms);
      return { samples, transitions: transitions.map(({ alert, to }) => ({ to, alert: toAlert(alert) })), textErrors };
    },
    due(now_ms) {
      const rules = { resendDelay_ms: options.resendDelay_ms, interval_ms: options.interval_ms };
      return takeDue(active, now_ms, rules).map(({ alert, endsAt_ms }) => {
        const told = toAlert(alert);
        return {
          alert: withExternal(told, externalLabels),
          ownLabels: told.labels,
          startsAt_ms: alert.firedAt_ms!,
          endsAt_ms,
        };
      });
    },
    alerts: () => lastingNow().map(toAlert),
  };
}

function hasNumber({ value, histogram }: VectorSample): boolean {
  return histogram !== undefined || !Number.isNaN(value);
}

/** External labels go to whoever is told; those of the alert go before. */
function withExternal(alert: Alert, externalLabels: ReadonlyMap<string, string>): Alert {
  const missing = [...externalLabels].filter(([name]) => !alert.labels.has(name));
  return missing.length === 0 ? alert : { ...alert, labels: labelsChanged(alert.labels, missing) };
}
