/** A small part of bench/anomaly.ts: what is published there must not quietly become untrue. */
import { expect, test } from 'vitest';
import { type Baseline, ewmaChart, kMeans, movingEwma, staticThreshold } from '../../bench/anomaly_baselines.ts';
import { addScores, createScores, f1, precision, recall, type Scores } from '../../bench/anomaly_scores.ts';
import { makeSeries, START_S, STEP_S } from '../../bench/anomaly_series.ts';
import { SeriesModel } from '../../src/anomaly/model.ts';

const OPTIONS = { interval_s: STEP_S, warmUp_s: 7200, warmUp_samples: 100, sensitivity: 1, adapt_s: 7200 };
/** All noises with all seasons. */
const corpus = Array.from({ length: 40 }, (_, index) => makeSeries(index));

function ours(): Scores {
  const scores = createScores();
  for (const series of corpus) {
    const model = new SeriesModel(OPTIONS);
    const alarms = Uint8Array.from(series.values, (value, row) => {
      model.step(START_S + row * STEP_S, value);
      return model.isAnomalous ? 1 : 0;
    });
    addScores(scores, series, alarms);
  }
  return scores;
}

function best(baseline: Baseline): Scores {
  const scores = baseline.settings.map(() => createScores());
  for (const series of corpus) baseline.run(series).forEach((alarms, i) => addScores(scores[i]!, series, alarms));
  return scores.reduce((chosen, each) => (f1(each) > f1(chosen) ? each : chosen));
}

test('SeriesModel is ahead of thresholds, EWMA and k-means at their best, in precision and in recall', () => {
  const found = ours();
  expect(precision(found)).toBeGreaterThan(0.8);
  expect(recall(found)).toBeGreaterThan(0.7);
  for (const baseline of [staticThreshold, ewmaChart, movingEwma, kMeans]) {
    const scores = best(baseline);
    expect(precision(found)).toBeGreaterThan(precision(scores));
    expect(recall(found)).toBeGreaterThan(recall(scores));
  }
}, 60_000);
