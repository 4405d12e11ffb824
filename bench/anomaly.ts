/**
 * How well anomalies are found on labelled series, beside a static threshold, EWMA charts and k-means on the very same data;
 * what a series and a sample cost; and, with a recording of a real host (OTLP-JSON lines, as the exporter `file` writes them),
 * how often it alarms there. Usage: node --expose-gc bench/anomaly.ts [series] [seed] [recordings of one host, in order]
 */
import { readFileSync } from 'node:fs';
import { ewmaChart, kMeans, movingEwma, staticThreshold } from './anomaly_baselines.ts';
import { ANOMALIES, type LabelledSeries, makeSeries, SAMPLES, START_S, STEP_S } from './anomaly_series.ts';
import { bytesOfSeries, replay, type Chosen } from './anomaly_recording.ts';
import { addScores, createScores, f1, precision, recall, type Scores } from './anomaly_scores.ts';
import { SeriesModel } from '../src/anomaly/model.ts';
import type { ModelOptions } from '../src/anomaly/state.ts';
import { NO_ATTRIBUTES } from '../src/model/attributes.ts';
import { Series } from '../src/model/batch.ts';
import { table } from './measure.ts';

const OPTIONS: ModelOptions = {
  interval_s: STEP_S,
  warmUp_s: 7200,
  warmUp_samples: 100,
  sensitivity: 1,
  adapt_s: 7200,
};

const GAUGE = {
  name: 'gauge',
  description: '',
  unit: '1',
  kind: 'gauge',
  isMonotonic: false,
  temporality: 'unspecified',
  valueType: 'double',
} as const;

const [count = '240', seed = '1', ...recordings] = process.argv.slice(2);
const corpus = Array.from({ length: Number(count) }, (_, index) => makeSeries(index, Number(seed)));
const share = (value: number): string => value.toFixed(2);
const rows: string[][] = [
  ['', 'settings', 'precision', 'recall', 'F1', 'by sample P / R', 'false alarms per series and day', ...ANOMALIES],
];

function addRow(name: string, settings: string, scores: Scores): void {
  const { points, wrong, seriesDays, byKind } = scores;
  const byPoint = `${share(points.right / (points.right + points.wrong))} / ${share(points.right / (points.right + points.missed))}`;
  const kinds = ANOMALIES.map((kind) => {
    const { found = 0, missed = 0 } = byKind.get(kind) ?? {};
    return share(found / Math.max(1, found + missed));
  });
  const shares = [precision(scores), recall(scores), f1(scores)].map(share);
  rows.push([name, settings, ...shares, byPoint, (wrong / seriesDays).toFixed(3), ...kinds]);
}

function alarmsOf(series: LabelledSeries): Uint8Array {
  const model = new SeriesModel(OPTIONS);
  return Uint8Array.from(series.values, (value, row) => {
    model.step(START_S + row * STEP_S, value);
    return model.isAnomalous ? 1 : 0;
  });
}

const ours = createScores();
const before = process.cpuUsage();
for (const series of corpus) addScores(ours, series, alarmsOf(series));
const { user, system } = process.cpuUsage(before);
addRow('Sonde', 'default', ours);
const chosen: Chosen[] = [];
for (const baseline of [staticThreshold, ewmaChart, movingEwma, kMeans]) {
  const scores = baseline.settings.map(() => createScores());
  for (const series of corpus) baseline.run(series).forEach((alarms, i) => addScores(scores[i]!, series, alarms));
  const best = scores.reduce((chosen, each, i) => (f1(each) > f1(scores[chosen]!) ? i : chosen), 0);
  addRow(baseline.name, baseline.settings[best]!, scores[best]!);
  // It takes six hours before it has a model, and needs all samples to be there.
  if (baseline !== kMeans) chosen.push({ baseline, setting: best });
}
const labels = ours.found + ours.missed;
console.log(`${corpus.length} series, ${labels} anomalies, seed ${seed}\n`);
console.log(table(rows));
console.log(
  `\nCPU: ${((user + system) / (corpus.length * SAMPLES)).toFixed(2)} µs a series and sample, scoring included`,
);
if (globalThis.gc !== undefined) {
  const scope = { name: 'bench', version: '', attributes: NO_ATTRIBUTES, schemaUrl: '' };
  const resource = { attributes: NO_ATTRIBUTES, schemaUrl: '' };
  const bytes = bytesOfSeries(OPTIONS, (index) => new Series(resource, scope, GAUGE, { index }, 0n));
  console.log(`Memory: ${bytes.toFixed(0)} bytes a series`);
}
if (recordings.length > 0) {
  const lines = Buffer.concat(recordings.map((file) => readFileSync(file)));
  console.log(`\n${replay(lines, OPTIONS, chosen)}`);
}
