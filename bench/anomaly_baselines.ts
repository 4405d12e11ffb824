/**
 * What anomalies are usually looked for with, over the same series: a threshold for each series, the EWMA control chart, and
 * k-means as Netdata does. Each is given all its settings, and shown with those that do best on the very labels it is judged by.
 */
import { DAY, SAMPLES, type Samples } from './anomaly_series.ts';

export interface Baseline {
  readonly name: string;
  /** How the settings read. */
  readonly settings: readonly string[];
  /** Alarms (1 where one is on, by row) for each of the settings. */
  run(series: Samples): Uint8Array[];
}

/** So many samples in a row, as the `for` of an alert rule. */
const FOR = [1, 3, 5];

function product<A, B>(left: readonly A[], right: readonly B[]): [A, B][] {
  return left.flatMap((a) => right.map((b): [A, B] => [a, b]));
}

const MARGINS = product([-0.1, 0, 0.1, 0.25, 0.5, 1], FOR);

/** Above or below what 99.8 % of two days of training were between, and a margin of that span. */
export const staticThreshold: Baseline = {
  name: 'static threshold per series',
  settings: MARGINS.map(([margin, samples]) => `margin ${margin}, for ${samples}`),
  run({ values, trained }) {
    const known = values
      .slice(0, trained)
      .filter((value) => !Number.isNaN(value))
      .sort();
    const low = known[Math.floor(known.length * 0.001)]!;
    const high = known[Math.ceil(known.length * 0.999) - 1]!;
    const span = Math.max(high - low, Math.abs(high) * 0.005);
    return MARGINS.map(([margin, samples]) =>
      sustained(values, samples, (value) => value > high + margin * span || value < low - margin * span),
    );
  },
};

const CHARTS = product(product([0.02, 0.1, 0.3, 1], [3, 4, 6, 8, 12]), FOR);

/** An exponentially weighted mean against the mean and deviation of training (Roberts, 1959). */
export const ewmaChart: Baseline = {
  name: 'EWMA control chart, limits from training',
  settings: CHARTS.map(([[weight, limit], samples]) => `λ ${weight}, L ${limit}, for ${samples}`),
  run({ values, trained }) {
    const known = values.slice(0, trained).filter((value) => !Number.isNaN(value));
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const deviation = Math.max(
      Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length),
      Math.abs(mean) * 0.001,
    );
    return CHARTS.map(([[weight, limit], samples]) => {
      const bound = limit * deviation * Math.sqrt(weight / (2 - weight));
      let smooth = mean;
      return sustained(values, samples, (value) => {
        smooth += weight * (value - smooth);
        return Math.abs(smooth - mean) > bound;
      });
    });
  },
};

/** A value against the exponentially weighted mean and deviation of those before it, which go on through anomalies. */
export const movingEwma: Baseline = {
  name: 'EWMA of mean and deviation, moving',
  settings: CHARTS.map(([[weight, limit], samples]) => `λ ${weight / 5}, L ${limit}, for ${samples}`),
  run({ values }) {
    return CHARTS.map(([[fifth, limit], samples]) => {
      const weight = fifth / 5;
      let mean = values[0]!;
      let variance = 0;
      return sustained(values, samples, (value) => {
        const difference = value - mean;
        const isFar = Math.abs(difference) > limit * Math.max(Math.sqrt(variance), Math.abs(mean) * 0.001);
        mean += weight * difference;
        variance = (1 - weight) * (variance + weight * difference * difference);
        return isFar;
      });
    });
  },
};

/** Sets `alarms` where `isFar` held for so many samples in a row. Missing samples leave things as they are. */
function sustained(values: Float64Array, samples: number, isFar: (value: number) => boolean): Uint8Array {
  const alarms = new Uint8Array(values.length);
  let run = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (!Number.isNaN(value)) run = isFar(value) ? run + 1 : 0;
    alarms[row] = run >= samples ? 1 : 0;
  }
  return alarms;
}

/** Of that many samples so many must be anomalous: Netdata alarms by the rate of anomaly bits. */
const RATES = product([1, 5, 10, 20], [0.2, 0.5, 0.8, 1]);
/** Models that must agree: Netdata's 18 look back 54 hours; fewer forget sooner. */
const MODELS = [1, 6, 18];
const LAG = 5;
const SMOOTH = 3;
const FEATURES = LAG + 1;
/** Each model learns six hours; a new one is made every three. */
const TRAINING = 360;
const EVERY = 180;

/** Two clusters of differences, smoothed over 3, of 6 samples in a row (Netdata, "Machine learning and anomaly detection"). */
export const kMeans: Baseline = {
  name: 'k-means as Netdata',
  settings: product(MODELS, RATES).map(
    ([models, [window, rate]]) => `${models} models agree, rate ${rate} of ${window}`,
  ),
  run({ values }) {
    const features = featuresOf(values);
    const models: KMeansModel[] = [];
    const anomalous = MODELS.map(() => new Uint8Array(SAMPLES));
    for (let row = 0; row < SAMPLES; row++) {
      if (row >= TRAINING && row % EVERY === 0) models.unshift(trainModel(features, row - TRAINING, row));
      if (row < DAY) continue;
      MODELS.forEach((count, index) => {
        let isAgreed = true;
        for (let i = 0; i < count && i < models.length && isAgreed; i++) isAgreed = models[i]!.isFar(features, row);
        anomalous[index]![row] = isAgreed ? 1 : 0;
      });
    }
    return product(anomalous, RATES).map(([bits, [window, rate]]) => {
      const alarms = new Uint8Array(SAMPLES);
      let sum = 0;
      for (let row = 0; row < SAMPLES; row++) {
        sum += bits[row]! - (row >= window ? bits[row - window]! : 0);
        alarms[row] = sum >= rate * window ? 1 : 0;
      }
      return alarms;
    });
  },
};

/** Row by row the last six smoothed differences. */
function featuresOf(values: Float64Array): Float64Array {
  const smooth = new Float64Array(SAMPLES);
  const differences = new Float64Array(SAMPLES);
  let before = values[0]!;
  for (let row = 1; row < SAMPLES; row++) {
    const value = Number.isNaN(values[row]!) ? before : values[row]!;
    differences[row] = value - before;
    before = value;
    for (let i = 0; i < SMOOTH && i <= row; i++) smooth[row]! += differences[row - i]! / SMOOTH;
  }
  const features = new Float64Array(SAMPLES * FEATURES);
  for (let row = LAG; row < SAMPLES; row++) {
    for (let i = 0; i < FEATURES; i++) features[row * FEATURES + i] = smooth[row - i]!;
  }
  return features;
}

interface KMeansModel {
  /** Whether a row is as far from both centres as 1 % of the training's span, or less, is left beyond. */
  isFar(features: Float64Array, row: number): boolean;
}

function trainModel(features: Float64Array, from: number, to: number): KMeansModel {
  const centres = [from, from];
  for (let row = from; row < to; row++) {
    if (features[row * FEATURES]! < features[centres[0]! * FEATURES]!) centres[0] = row;
    if (features[row * FEATURES]! > features[centres[1]! * FEATURES]!) centres[1] = row;
  }
  const means = centres.map((row) => features.slice(row * FEATURES, (row + 1) * FEATURES));
  for (let round = 0; round < 20; round++) {
    const sums = means.map(() => new Float64Array(FEATURES));
    const counts = [0, 0];
    for (let row = from; row < to; row++) {
      const nearest = distance(means[0]!, features, row) <= distance(means[1]!, features, row) ? 0 : 1;
      counts[nearest]!++;
      for (let i = 0; i < FEATURES; i++) sums[nearest]![i]! += features[row * FEATURES + i]!;
    }
    for (const nearest of [0, 1]) {
      if (counts[nearest]! > 0)
        for (let i = 0; i < FEATURES; i++) means[nearest]![i] = sums[nearest]![i]! / counts[nearest]!;
    }
  }
  const meanDistance = (at: Float64Array, row: number): number =>
    (distance(means[0]!, at, row) + distance(means[1]!, at, row)) / 2;
  let least = Infinity;
  let most = 0;
  for (let row = from; row < to; row++) {
    const far = meanDistance(features, row);
    least = Math.min(least, far);
    most = Math.max(most, far);
  }
  const limit = least + 0.99 * (most - least);
  return { isFar: (at, row) => meanDistance(at, row) > limit };
}

function distance(centre: Float64Array, features: Float64Array, row: number): number {
  let sum = 0;
  for (let i = 0; i < FEATURES; i++) sum += (features[row * FEATURES + i]! - centre[i]!) ** 2;
  return Math.sqrt(sum);
}
