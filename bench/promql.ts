/**
 * What evaluating alert rules costs: 200 host-style rules over 2,000 series, once each 15 s of a replayed hour, as a share of
 * one core. `node bench/promql.ts`
 */
import { createEngine } from '../src/promql/engine.ts';
import { parse } from '../src/promql/parse.ts';
import { labelsOf, queryableOf, type LoadedSeries } from '../test/support/queryable.ts';
import type { Labels, Matcher, Queryable, StoredSeries } from '../src/store/queryable.ts';

const INTERVAL_MS = 15_000;
const SAMPLES = 240;
const BUDGET_SHARE = 0.02;

/** 2,000 series as of a host: 16 CPUs with modes, disks, filesystems, interfaces, containers. */
function hostSeries(): LoadedSeries[] {
  const series: LoadedSeries[] = [];
  const add = (labels: Record<string, string>, isCounter: boolean): void => {
    const times: number[] = [];
    const values: number[] = [];
    let value = series.length % 97;
    for (let index = 0; index < SAMPLES; index++) {
      times.push(index * INTERVAL_MS);
      value = isCounter ? value + ((index * 7 + series.length) % 13) : (index * 31 + series.length * 17) % 100;
      values.push(value);
    }
    const none = Array.from<undefined>({ length: SAMPLES });
    series.push({ labels: labelsOf(labels), times, values, stale: times.map(() => false), histograms: none });
  };
  for (let cpu = 0; cpu < 16; cpu++) {
    for (const mode of ['user', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'nice']) {
      add({ __name__: 'system_cpu_time_seconds_total', cpu: String(cpu), mode }, true);
    }
  }
  for (let index = 0; series.length < 2000; index++) {
    const family = index % 16;
    const device = String(Math.floor(index / 16));
    add(
      { __name__: family % 2 === 0 ? `host_family_${family}_total` : `host_family_${family}`, device, host: 'a' },
      family % 2 === 0,
    );
  }
  return series;
}

/** As a store does it: by the name first. */
function indexed(series: readonly LoadedSeries[]): Queryable {
  const whole = queryableOf(series).select([], 0, Infinity);
  const byName = new Map<string, StoredSeries[]>();
  for (const one of whole) {
    const name = one.labels.get('__name__')!;
    byName.set(name, [...(byName.get(name) ?? []), one]);
  }
  const matches = (labels: Labels, { name, value, op }: Matcher): boolean =>
    (op === '=') === ((labels.get(name) ?? '') === value);
  return {
    select(matchers) {
      const name = matchers.find((matcher) => matcher.name === '__name__')!.value;
      const others = matchers.filter((matcher) => matcher.name !== '__name__');
      return (byName.get(name) ?? []).filter(({ labels }) => others.every((matcher) => matches(labels, matcher)));
    },
  };
}

function rules(): string[] {
  const expressions: string[] = [];
  for (let index = 0; expressions.length < 200; index++) {
    const counter = `host_family_${(index % 8) * 2}_total`;
    const gauge = `host_family_${(index % 8) * 2 + 1}`;
    expressions.push(
      `100 - avg by (cpu) (rate(system_cpu_time_seconds_total{mode="idle"}[5m])) * 100 > ${50 + (index % 40)}`,
      `sum(rate(${counter}[5m])) > ${index}`,
      `${gauge} / on (device) group_left ${gauge.replace(/\d+$/, (number) => String((Number(number) + 2) % 16))} < 0.1`,
      `max_over_time(${gauge}[10m]) > 95 and ${gauge} > 90`,
      `predict_linear(${gauge}{device="${index % 100}"}[30m], 4 * 3600) < 0`,
      `increase(${counter}{device!="3"}[15m]) > 500`,
      `absent(${gauge}{device="none"}) or ${gauge} == 0`,
      `topk(3, rate(${counter}[2m])) > 1`,
    );
  }
  return expressions.slice(0, 200);
}

const engine = createEngine({ queryable: indexed(hostSeries()) });
const expressions = rules().map(parse);
const end_ms = (SAMPLES - 1) * INTERVAL_MS;
const rounds: number[] = [];
let results = 0;
for (let time_ms = end_ms - 60 * INTERVAL_MS; time_ms <= end_ms; time_ms += INTERVAL_MS) {
  const before = process.cpuUsage();
  for (const expression of expressions) {
    const result = engine.instant(expression, time_ms);
    if (result.type === 'vector') results += result.rows.length;
  }
  const { user, system } = process.cpuUsage(before);
  rounds.push((user + system) / 1000);
}
rounds.sort((a, b) => a - b);
const median = rounds[rounds.length >> 1]!;
console.log(
  `200 rules over 2,000 series: ${median.toFixed(1)} ms CPU an evaluation (median of ${rounds.length}), worst ${rounds.at(-1)!.toFixed(1)} ms`,
);
console.log(
  `${((median / INTERVAL_MS) * 100).toFixed(2)} % of one core at 15 s; limit ${BUDGET_SHARE * 100} %; ${results} results`,
);
