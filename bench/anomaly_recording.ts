/** Runs a recording of a real host through what the processor runs: series, groups, events; and measures what that costs. */
import type { ModelOptions } from '../src/anomaly/state.ts';
import { createWatch, type Happening, type Watched } from '../src/anomaly/watch.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { decodeMetricsJson } from '../src/model/otlp/json.ts';
import type { Baseline } from './anomaly_baselines.ts';
import { eventsOf } from './anomaly_scores.ts';

/** A way to look for anomalies, with one of its settings. */
export interface Chosen {
  readonly baseline: Baseline;
  readonly setting: number;
}

/** Replays OTLP-JSON lines; returns what there is to say of it, beside what others do that learn for as long. */
export function replay(lines: Buffer, options: ModelOptions, others: readonly Chosen[]): string {
  const watch = createWatch({
    ...options,
    maxSeries: 10_000,
    forget_s: 7 * 86_400,
    isMeant: () => true,
    groupOf: ({ scope }) => scope.name,
  });
  const happenings: Happening[] = [];
  const told = new Map<string, number>();
  const sampled = new Map<Watched, { values: number[]; trained: number; last_s: number }>();
  let judged = 0;
  let from_s = Infinity;
  let cpu_us = 0;
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(10, at);
    if (end === -1) break;
    const batch = decodeMetricsJson(lines.subarray(at, end));
    at = end + 1;
    const before = process.cpuUsage();
    const new_ = watch.take(batch);
    const { user, system } = process.cpuUsage(before);
    cpu_us += user + system;
    from_s = Math.min(from_s, watch.now_s);
    happenings.push(...new_);
    for (const watched of watch.watched) note(watched);
    for (const { outcome, watched, group, model } of new_) {
      if (outcome !== 'began') continue;
      const key = `${group === undefined ? model.kind : `group ${group.name}`} ${watched.series.metric.name}`;
      told.set(key, (told.get(key) ?? 0) + 1);
    }
  }
  /** Keeps its sample, if it is new. */
  function note(watched: Watched): void {
    const known = sampled.get(watched) ?? { values: [], trained: 0, last_s: -Infinity };
    sampled.set(watched, known);
    if (Number.isNaN(watched.value) || watched.lastHeard_s === known.last_s) return;
    known.last_s = watched.lastHeard_s;
    known.values.push(watched.value);
    if (known.last_s - from_s < options.warmUp_s) known.trained = known.values.length;
  }

  let days = 0;
  for (const { model } of watch.watched) {
    if (!model.isReady) continue;
    judged++;
    days += Math.max(0, watch.now_s - from_s - options.warmUp_s) / 86_400;
  }
  const began = happenings.filter(({ outcome, group }) => outcome === 'began' && group === undefined).length;
  const groups = happenings.filter(({ outcome, group }) => outcome === 'began' && group !== undefined).length;
  const hours = ((watch.now_s - from_s) / 3600).toFixed(2);
  const ofOthers = others.map(({ baseline, setting }) => {
    let alarms = 0;
    for (const { values, trained } of sampled.values()) {
      if (trained === 0) continue;
      alarms += eventsOf(baseline.run({ values: Float64Array.from(values), trained })[setting]!, trained).length;
    }
    const { name, settings } = baseline;
    return `${name}, ${settings[setting]}: ${alarms}, ${(alarms / Math.max(days, 1e-9)).toFixed(2)} a series and day`;
  });
  return [
    `Recording of ${hours} hours: ${watch.size} series, ${judged} of them judged after ${options.warmUp_s} s, ${days.toFixed(1)} series days`,
    `${began} anomalies of series, ${groups} of groups: ${(began / Math.max(days, 1e-9)).toFixed(2)} a series and day`,
    ...[...told]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 15)
      .map(([key, times]) => `  ${times} × ${key}`),
    ...ofOthers,
    `CPU: ${(cpu_us / 1000).toFixed(0)} ms for all of it, series looked up anew for each line as they come decoded`,
  ].join('\n');
}

/** Heap and buffers that a watched series takes, its own objects and those of its layout included; needs --expose-gc. */
export function bytesOfSeries(options: ModelOptions, make: (index: number) => MetricBatch['series'][number]): number {
  const layout = Array.from({ length: 5000 }, (_, index) => make(index));
  const watch = createWatch({
    ...options,
    maxSeries: 10_000,
    forget_s: 1e6,
    isMeant: () => true,
    groupOf: () => 'one',
  });
  const used = (): number => {
    for (let i = 0; i < 4; i++) globalThis.gc!();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  feed(watch, layout);
  return (used() - before) / watch.size;
}

function feed(watch: ReturnType<typeof createWatch>, layout: MetricBatch['series']): void {
  for (let row = 0; row < 3; row++) {
    watch.take({
      signal: 'metrics',
      count: layout.length,
      series: layout,
      values: new Float64Array(layout.length).fill(row),
      time: BigInt(1_793_577_600 + 60 * row) * 1_000_000_000n,
    });
  }
}
