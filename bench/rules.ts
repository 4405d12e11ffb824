/**
 * What evaluating alert rules costs: 200 host-style rules over 2,000 series in the real store, once each 15 s of a
 * replayed hour, as a share of one core. Their alerts, templates and ALERTS series are made, too, and the samples that
 * come between two evaluations are appended.
 * Usage: node bench/rules.ts
 */
import { createAsk } from '../processors/alert_rules/asking.ts';
import { parse } from '../src/promql/parse.ts';
import { createGroup } from '../src/rules/group.ts';
import { readRules } from '../src/rules/rule_file.ts';
import { createStore } from '../src/store/series_store.ts';
import { labelsOf } from '../test/support/queryable.ts';
import { median, ms, table, target } from './measure.ts';

const INTERVAL_MS = 15_000;
const SAMPLES = 240;
const MEASURED = 60;
const RULES = 200;
const SERIES = 2000;
const MODES = ['user', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'nice'];
const quiet = { info() {}, warn() {}, error() {}, once() {}, over() {} };

interface Source {
  readonly labels: ReadonlyMap<string, string>;
  readonly isCounter: boolean;
  value: number;
}

/** 2,000 series as of a host: 16 CPUs with modes, then families of counters and gauges by device. */
function hostSeries(): Source[] {
  const sources: Source[] = [];
  const add = (labels: Record<string, string>, isCounter: boolean): void =>
    void sources.push({ labels: labelsOf(labels), isCounter, value: sources.length % 97 });
  for (let cpu = 0; cpu < 16; cpu++)
    for (const mode of MODES) add({ __name__: 'system_cpu_time_seconds_total', cpu: String(cpu), mode }, true);
  for (let index = 0; sources.length < SERIES; index++) {
    const family = index % 16;
    const isCounter = family % 2 === 0;
    const name = isCounter ? `host_family_${family}_total` : `host_family_${family}`;
    add({ __name__: name, device: String(Math.floor(index / 16)), host: 'a' }, isCounter);
  }
  return sources;
}

/** Most hold seldom or never, as rules do. */
function ruleFile(): string {
  const expressions: string[] = [];
  for (let index = 0; expressions.length < RULES; index++) {
    const counter = `host_family_${(index % 8) * 2}_total`;
    const gauge = `host_family_${(index % 8) * 2 + 1}`;
    const other = `host_family_${((index % 8) * 2 + 3) % 16}`;
    expressions.push(
      `100 - avg by (cpu) (rate(system_cpu_time_seconds_total{mode="idle"}[5m])) * 100 > ${150 + index}`,
      `sum(rate(${counter}[5m])) > ${index * 1000}`,
      `${gauge} / on (device) group_left ${other} < -1`,
      `max_over_time(${gauge}[10m]) > 95 and ${gauge} > 98`,
      `predict_linear(${gauge}{device="${index % 100}"}[30m], 4 * 3600) < -1e6`,
      `increase(${counter}{device!="3"}[15m]) > 5000`,
      `absent(${gauge}{device="none"}) or ${gauge} == -1`,
      `topk(3, rate(${counter}[2m])) > 1000`,
    );
  }
  const rules = expressions.slice(0, RULES).map((expr, index) => ({
    alert: `Rule${index}`,
    expr,
    for: '1m',
    labels: { severity: 'warning' },
    annotations: { summary: '{{ $labels.device }} is at {{ $value | humanize }}' },
  }));
  return JSON.stringify({ groups: [{ name: 'all', interval: '15s', rules }] });
}

const clock = { now: 0 };
const store = createStore({
  retention_ms: 3_600_000,
  max_bytes: 64 * 2 ** 20,
  max_series: 10_000,
  log: quiet,
  now_ms: () => clock.now,
});
const ask = createAsk(store, 300_000, {});
const sources = hostSeries();
const checks = { expression: parse, template: () => undefined };
const group = createGroup(readRules(ruleFile(), 'rules.yaml', checks).groups[0]!, {
  interval_ms: INTERVAL_MS,
  queryOffset_ms: 0,
  externalLabels: new Map(),
  externalURL: '',
  resendDelay_ms: 60_000,
  maxAlerts: 10_000,
  ruleTime_ms: 1000,
});
const appends: number[] = [];
const evaluations: number[] = [];
let alerts = 0;

for (let index = 0; index < SAMPLES; index++) {
  clock.now = (index + 1) * INTERVAL_MS;
  const begun = process.cpuUsage();
  for (const source of sources) {
    const step = (index * 7 + source.value) % 13;
    source.value = source.isCounter ? source.value + step : (source.value * 31 + index * 17) % 100;
    store.append(source.labels, clock.now, source.value);
  }
  const filled = process.cpuUsage();
  const { failures } = group.evaluate(clock.now, {
    query: ask,
    append: ({ labels, time_ms, value }) => store.append(labels, time_ms, value),
    monotonic_ms: () => performance.now(),
  });
  const done = process.cpuUsage();
  if (failures.length > 0) throw new Error(`Cannot evaluate ${failures[0]!.rule}: ${failures[0]!.error}`);
  if (index < SAMPLES - MEASURED) continue;
  appends.push(filled.user + filled.system - begun.user - begun.system);
  evaluations.push(done.user + done.system - filled.user - filled.system);
  alerts = group.counts().firing + group.counts().pending;
}

const share = (median(evaluations) + median(appends)) / (INTERVAL_MS * 1000);
console.log(
  table([
    [`${RULES} rules over ${SERIES} series`, 'CPU, median', 'CPU, most'],
    [`an evaluation, ${alerts} alerts`, ms(median(evaluations)), ms(Math.max(...evaluations))],
    ['appending the samples between two', ms(median(appends)), ms(Math.max(...appends))],
  ]),
);
console.log('');
target('share of one core, once each 15 s', 0.02, share);
