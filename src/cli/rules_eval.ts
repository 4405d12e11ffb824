/** `sonde rules eval`: each rule once, over samples in a file. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { createEngine } from '../promql/engine.ts';
import { labelsText } from '../promql/labels.ts';
import type { Evaluation, Surroundings } from '../rules/evaluation.ts';
import { createGroup } from '../rules/group.ts';
import type { RuleGroup } from '../rules/rule.ts';
import { parseSampleText, type TextSample } from '../rules/sample_text.ts';
import { createStore } from '../store/series_store.ts';
import { printable } from '../text/printable.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { complain, readRulesFrom, type RulesSurroundings } from './rules.ts';
import type { RulesEvalOptions } from './rules_commands.ts';
import { painter, type Terminal } from './terminal.ts';

const LIMITS = { samples: 50_000_000, series: 1_000_000, time_ms: 100_000 };
const RETENTION_MS = 100 * 365 * 86_400_000;
const STORE_BYTES = 1 << 30;

/** Resolves with the exit code. */
export async function evaluateRules(
  paths: readonly string[],
  { data, at, json }: RulesEvalOptions,
  { terminal }: RulesSurroundings,
): Promise<number> {
  const time_ms = at === undefined ? undefined : timeOf(at);
  if (Number.isNaN(time_ms)) {
    terminal.complain(`Cannot use --at ${at}: it is no time such as 2026-03-01T12:00:00Z or 1772366400\n`);
    return EXIT_CODES.usage;
  }
  const all = paths.map(readRulesFrom);
  complain(all, terminal);
  if (all.some(({ problems }) => problems.length > 0)) return EXIT_CODES.config;
  let samples: TextSample[];
  try {
    samples = parseSampleText(readFileSync(data === '-' ? 0 : data, 'utf8'));
  } catch (error) {
    terminal.complain(`Cannot read the samples in ${data === '-' ? 'standard input' : data}: ${messageOf(error)}\n`);
    return EXIT_CODES.config;
  }
  const groups = all.flatMap((read) => read.groups);
  const evaluations = evaluateOnce(groups, samples, time_ms);
  if (json === true) terminal.print(`${JSON.stringify(evaluations.map(forMachines), undefined, 2)}\n`);
  else for (const evaluated of evaluations) report(evaluated, terminal);
  return evaluations.some(({ evaluation }) => evaluation.failures.length > 0) ? EXIT_CODES.found : EXIT_CODES.ok;
}

/** Milliseconds; NaN where it is no time. */
function timeOf(text: string): number {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

interface Evaluated {
  readonly group: RuleGroup;
  readonly evaluation: Evaluation;
}

function evaluateOnce(
  groups: readonly RuleGroup[],
  samples: readonly TextSample[],
  at_ms: number | undefined,
): Evaluated[] {
  // They are in order.
  const last_ms = samples.findLast((sample) => sample.time_ms !== undefined)?.time_ms;
  const time_ms = at_ms ?? last_ms ?? Date.now();
  let now_ms = 0;
  const quiet = (): void => undefined;
  const store = createStore({
    retention_ms: RETENTION_MS,
    max_bytes: STORE_BYTES,
    max_series: LIMITS.series,
    log: { error: quiet, warn: quiet, info: quiet, once: quiet, over: quiet },
    now_ms: () => now_ms,
  });
  for (const sample of samples) {
    now_ms = sample.time_ms ?? time_ms;
    if (now_ms <= time_ms) store.append(sample.labels, now_ms, sample.value);
  }
  now_ms = time_ms;
  const engine = createEngine({ queryable: store, limits: LIMITS });
  const around: Surroundings = {
    query(expression) {
      const result = engine.instant(expression, time_ms);
      if (result.type === 'vector') return result.rows;
      if (result.type === 'scalar') return [{ labels: new Map(), value: result.value }];
      throw new Error('rule result is not a vector or scalar');
    },
    append(sample) {
      // What the file has of it already, as an agent's ALERTS, stays as it is.
      store.append(sample.labels, sample.time_ms, sample.value);
      return undefined;
    },
    monotonic_ms: () => performance.now(),
  };
  return groups.map((group) => {
    const run = createGroup(group, {
      interval_ms: 60_000,
      queryOffset_ms: 0,
      externalLabels: new Map(),
      externalURL: '',
      resendDelay_ms: 60_000,
      maxAlerts: 0,
      ruleTime_ms: LIMITS.time_ms,
    });
    return { group, evaluation: run.evaluate(time_ms, around) };
  });
}

/** ALERTS and ALERTS_FOR_STATE say nothing more than the alerts. */
function recordedBy({ samples }: Evaluation) {
  return samples.filter(({ labels }) => !/^ALERTS(?:_FOR_STATE)?$/.test(labels.get('__name__') ?? ''));
}

function report({ group, evaluation }: Evaluated, terminal: Terminal): void {
  const paint = painter(terminal);
  terminal.print(`${paint('bold', printable(group.name))}\n`);
  for (const { labels, value } of recordedBy(evaluation)) {
    const name = labels.get('__name__') ?? '';
    const rest = new Map([...labels].filter(([label]) => label !== '__name__'));
    terminal.print(`  ${printable(`${name}${labelsText(rest)} ${typeof value === 'object' ? 'histogram' : value}`)}\n`);
  }
  for (const { to, alert } of evaluation.transitions) {
    const state = to === 'firing' ? paint('red', to) : paint('yellow', to);
    terminal.print(`  ${state} ${printable(`${labelsText(alert.labels)} ${alert.value}`)}\n`);
    for (const [name, text] of alert.annotations) terminal.print(`    ${printable(`${name}: ${text}`)}\n`);
  }
  for (const { rule, error } of evaluation.failures) {
    terminal.complain(`Cannot evaluate rule "${rule}" of group "${group.name}": ${error}\n`);
  }
  for (const { rule, error } of evaluation.textErrors) {
    terminal.complain(`warning: a text of alert "${rule}" cannot be expanded: ${error}\n`);
  }
}

function forMachines({ group, evaluation }: Evaluated) {
  return {
    group: group.name,
    recorded: recordedBy(evaluation).map(({ labels, value }) => ({ labels: Object.fromEntries(labels), value })),
    alerts: evaluation.transitions.map(({ to, alert }) => ({
      state: to,
      labels: Object.fromEntries(alert.labels),
      annotations: Object.fromEntries(alert.annotations),
      value: alert.value,
    })),
    failures: evaluation.failures,
  };
}
