/**
 * Labelled series for the benchmark of anomaly detection: four days at one sample a minute, from fixed seeds. The first two
 * days are for training, though some have an incident in them that nobody labelled; in the others anomalies are injected.
 */

export const STEP_S = 60;
export const DAY = 1440;
export const SAMPLES = 4 * DAY;
/** From here on anomalies are injected, and alarms counted. */
export const TRAINED = 2 * DAY;
/** Monday, 2 November 2026, 00:00 UTC. */
export const START_S = 1_793_577_600;

export const ANOMALIES = ['level_shift', 'spike', 'drift', 'variance', 'stuck'] as const;
export type Injected = (typeof ANOMALIES)[number];

/** Rows of the first and the last sample. */
export interface Label {
  readonly kind: Injected;
  readonly from: number;
  readonly to: number;
}

export interface Samples {
  /** The value of a gauge, or the rate of a counter; NaN where a sample is missing. */
  readonly values: Float64Array;
  /** So many of them are there to learn from. */
  readonly trained: number;
}

export interface LabelledSeries extends Samples {
  readonly name: string;
  readonly labels: readonly Label[];
  /** Row at which something changed for good, on purpose. */
  readonly planned: number | undefined;
}

const NOISES = [
  'gaussian',
  'correlated',
  'laplace',
  'lognormal',
  'poisson',
  'heavy',
  'quantised',
  'wandering',
  'bursty',
  'constant',
] as const;
const SEASONS = ['none', 'daily', 'business_hours', 'daily_and_spikes'] as const;

/** Series `index` of the corpus: it is the same in every run. */
export function makeSeries(index: number, seed = 1): LabelledSeries {
  const random = createRandom(seed * 7919 + index * 104_729 + 17);
  const noise = NOISES[index % NOISES.length]!;
  const season = noise === 'constant' ? 'none' : SEASONS[Math.floor(index / NOISES.length) % SEASONS.length]!;
  const scale = 10 ** random.between(-1, 3);
  const level = scale * random.between(5, 50);
  const amplitude = season === 'none' ? 0 : scale * random.between(2, 12);
  const phase = random.between(0, 1);
  const isTrending = random.next() < 0.25 && noise !== 'constant' && noise !== 'poisson';
  const slope = isTrending ? (scale * random.between(-3, 3)) / DAY : 0;
  const correlation = noise === 'correlated' ? random.between(0.5, 0.9) : noise === 'wandering' ? 0.99 : 0;
  const rate = noise === 'poisson' ? random.between(40, 600) : 0;
  const plan = makePlan(random, noise);

  const values = new Float64Array(SAMPLES);
  let before = 0;
  let stuckAt: number | undefined;
  for (let row = 0; row < SAMPLES; row++) {
    const base = level + slope * row + amplitude * seasonAt(season, row, phase);
    const draw = drawNoise(noise, random);
    before = correlation * before + draw;
    const injected = plan.at(row);
    // Counts have the noise that counts have; the spread of one that is multiplied grows with its level.
    const mean =
      noise === 'poisson' ? Math.max(5, rate * (1 + (0.5 * (base - level)) / Math.max(amplitude, scale) / 2)) : base;
    const sigma = spreadOf(noise, scale, mean);
    const size =
      sigma * (noise === 'wandering' ? 2.5 : noise === 'correlated' ? 1 / Math.sqrt(1 - correlation ** 2) : 1);
    let value = mean + injected.offset * size + sigma * before * injected.spread;
    if (noise === 'lognormal') value = (mean + injected.offset * size) * Math.exp(0.15 * draw * injected.spread);
    if (noise === 'bursty') value = Math.max(0, value);
    if (noise === 'quantised') value = Math.round(value / (sigma * 0.8)) * sigma * 0.8;
    if (noise === 'poisson') value = Math.max(0, Math.round(value)) / STEP_S;
    if (injected.isStuck) value = stuckAt ??= values[row - 1]!;
    else stuckAt = undefined;
    values[row] = value;
  }
  losePoints(values, random);
  return { name: `${noise}/${season}/${index}`, values, trained: TRAINED, labels: plan.labels, planned: plan.planned };
}

function seasonAt(season: (typeof SEASONS)[number], row: number, phase: number): number {
  const day = (row / DAY + phase) % 1;
  switch (season) {
    case 'none':
      return 0;
    case 'daily':
      return Math.sin(2 * Math.PI * day) + 0.3 * Math.sin(4 * Math.PI * day + 1);
    case 'business_hours':
      // Up within an hour in the morning, down in the evening.
      return 1 / (1 + Math.exp(-(day - 0.3) * 100)) - 1 / (1 + Math.exp(-(day - 0.75) * 100));
    case 'daily_and_spikes':
      // A job of 20 minutes each night on top.
      return Math.sin(2 * Math.PI * day) + (day > 0.1 && day < 0.1 + 20 / DAY ? 1.5 : 0);
  }
}

function drawNoise(noise: (typeof NOISES)[number], random: Random): number {
  switch (noise) {
    case 'laplace': {
      const u = random.next() - 0.5;
      return -Math.sign(u) * Math.log(1 - 2 * Math.abs(u)) * Math.SQRT1_2;
    }
    case 'heavy': {
      // Student's t with 4 degrees of freedom, of variance 1.
      const chi =
        (random.gaussian() ** 2 + random.gaussian() ** 2 + random.gaussian() ** 2 + random.gaussian() ** 2) / 4;
      return random.gaussian() / Math.sqrt(Math.max(chi, 1e-3)) / Math.SQRT2;
    }
    case 'bursty':
      // Quiet, and now and then a lot.
      return random.next() < 0.06 ? -Math.log(1 - random.next()) * 5 : random.gaussian() * 0.3;
    case 'constant':
      return 0;
    default:
      return random.gaussian();
  }
}

function spreadOf(noise: (typeof NOISES)[number], scale: number, mean: number): number {
  if (noise === 'poisson') return Math.sqrt(mean);
  if (noise === 'lognormal') return Math.abs(mean) * 0.15;
  return scale;
}

interface Plan {
  readonly labels: readonly Label[];
  readonly planned: number | undefined;
  at(row: number): { offset: number; spread: number; isStuck: boolean };
}

/** What happens when: up to three anomalies, at least four hours apart, perhaps a planned change, perhaps an incident before. */
function makePlan(random: Random, noise: (typeof NOISES)[number]): Plan {
  const labels: (Label & { readonly size: number })[] = [];
  // A planned change at the end of the second day's training, a third of a day alone.
  const planned = random.next() < 0.2 ? TRAINED + Math.floor(random.between(0.1, 0.3) * DAY) : undefined;
  const plannedSize = random.sign() * random.between(6, 15);
  const incident = random.next() < 0.15 ? DAY + Math.floor(random.between(0.1, 0.8) * DAY) : undefined;
  const incidentLength = Math.floor(random.between(20, 90));
  let row = TRAINED + Math.floor(planned === undefined ? random.between(60, 500) : 0.6 * DAY + random.between(0, 200));
  const count = Math.floor(random.between(0, 4));
  for (let i = 0; i < count; i++) {
    const kind = pickAnomaly(random, noise);
    const length = Math.floor(lengthOf(kind, random));
    const to = row + length - 1;
    if (to > SAMPLES - 120) break;
    labels.push({ kind, from: row, to, size: sizeOf(kind, random) });
    row = to + 240 + Math.floor(random.between(0, 400));
  }
  return {
    labels,
    planned,
    at(at) {
      let offset = 0;
      let spread = 1;
      let isStuck = false;
      if (planned !== undefined && at >= planned) offset += plannedSize;
      if (incident !== undefined && at >= incident && at < incident + incidentLength) offset += 9;
      for (const { kind, from, to, size } of labels) {
        if (at < from || at > to) continue;
        if (kind === 'drift') offset += (size * (at - from + 1)) / (to - from + 1);
        else if (kind === 'variance') spread = size;
        else if (kind === 'stuck') isStuck = true;
        // Outside of what this noise does by itself.
        else if (kind === 'spike') offset += size * (noise === 'heavy' ? 2 : noise === 'bursty' && size > 0 ? 4 : 1);
        else offset += size;
      }
      return { offset, spread, isStuck };
    },
  };
}

function pickAnomaly(random: Random, noise: (typeof NOISES)[number]): Injected {
  const kind = ANOMALIES[Math.floor(random.between(0, ANOMALIES.length))]!;
  const isImpossible = noise === 'constant' && (kind === 'variance' || kind === 'stuck' || kind === 'drift');
  return isImpossible ? 'level_shift' : kind;
}

function lengthOf(kind: Injected, random: Random): number {
  switch (kind) {
    case 'spike':
      return random.between(1, 4);
    case 'level_shift':
      return random.between(30, 180);
    case 'drift':
      return random.between(60, 240);
    case 'variance':
      return random.between(40, 150);
    case 'stuck':
      return random.between(40, 150);
  }
}

/** In standard deviations of the series' noise; of variance the factor. */
function sizeOf(kind: Injected, random: Random): number {
  switch (kind) {
    case 'spike':
      return random.sign() * random.between(8, 16);
    case 'level_shift':
      return random.sign() * random.between(4, 10);
    case 'drift':
      return random.sign() * random.between(6, 12);
    case 'variance':
      return random.between(3, 5);
    case 'stuck':
      return 0;
  }
}

/** One sample in a hundred, and one gap of up to an hour. */
function losePoints(values: Float64Array, random: Random): void {
  for (let row = 1; row < values.length; row++) if (random.next() < 0.01) values[row] = NaN;
  const from = Math.floor(random.between(0, DAY * 1.9));
  values.fill(NaN, from + 1, from + Math.floor(random.between(5, 60)));
}

export interface Random {
  /** From 0 to 1. */
  next(): number;
  between(from: number, to: number): number;
  gaussian(): number;
  sign(): 1 | -1;
}

/** Mulberry32: small, and the same everywhere. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    between: (from, to) => from + (to - from) * next(),
    gaussian: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    sign: () => (next() < 0.5 ? 1 : -1),
  };
}
