/**
 * The samples that PromQL is compared on, the same ones each time: counters with resets, gauges with all odd numbers, ended and
 * missing series, classic and native histograms, names and labels of any characters. Two hours around the end of a leap day.
 */
import type { NativeHistogram } from '../../../src/store/queryable.ts';
import { createRandom, type Random } from '../../integration/oracle/random.ts';
import { labelsOf, type LoadedSeries } from '../../support/queryable.ts';

export const START_MS = Date.UTC(2024, 1, 29, 23, 0, 0);
export const END_MS = START_MS + 7_200_000;
const STEP_MS = 30_000;

type Point = number | 'stale' | NativeHistogram | undefined;

/** The value at step `index` of one every 30 seconds; undefined where there is no sample. */
type Shape = (index: number, time_ms: number) => Point;

const COUNT = (END_MS - START_MS) / STEP_MS;

export function corpusSeries(): LoadedSeries[] {
  const all: LoadedSeries[] = [];
  const random = createRandom(20_240_229);
  const add = (labels: Readonly<Record<string, string>>, shape: Shape, jitter_ms = 0): void => {
    const samples: { time: number; point: Exclude<Point, undefined> }[] = [];
    for (let index = 0; index < COUNT; index++) {
      const time = START_MS + index * STEP_MS + (jitter_ms > 0 ? random.int(0, jitter_ms) : 0);
      const point = shape(index, time);
      if (point !== undefined) samples.push({ time, point });
    }
    all.push({
      labels: labelsOf(labels),
      times: samples.map(({ time }) => time),
      values: samples.map(({ point }) => (typeof point === 'number' ? point : Number.NaN)),
      stale: samples.map(({ point }) => point === 'stale'),
      histograms: samples.map(({ point }) => (typeof point === 'object' ? point : undefined)),
    });
  };
  addCounters(add, random);
  addGauges(add, random);
  addOddSeries(add, random);
  addClassicHistograms(add, random);
  addNativeHistograms(add, random);
  return all;
}

type Add = (labels: Readonly<Record<string, string>>, shape: Shape, jitter_ms?: number) => void;

/** A counter that grows by up to `most` a step and begins anew now and then. */
function counter(random: Random, most: number, resets = 0.01): Shape {
  let value = random.int(0, 50);
  return () => {
    value = random.chance(resets) ? random.int(0, 3) : value + random.int(0, most);
    return value;
  };
}

function addCounters(add: Add, random: Random): void {
  for (const instance of ['a:9090', 'b:9090', 'c:9090']) {
    for (const method of ['GET', 'POST']) {
      for (const code of ['200', '404', '500']) {
        const labels = { __name__: 'http_requests_total', job: 'web', instance, method, code };
        add(labels, counter(random, code === '200' ? 400 : 9), instance === 'c:9090' ? 9000 : 0);
      }
    }
    for (const [cpu, mode] of [
      ['0', 'idle'],
      ['0', 'user'],
      ['1', 'idle'],
      ['1', 'user'],
    ] as const) {
      let seconds = 1000 + random.next();
      const share = mode === 'idle' ? 25 : 4;
      add(
        { __name__: 'node_cpu_seconds_total', job: 'node', instance, cpu, mode },
        () => (seconds += share * random.next()),
      );
    }
  }
  let errors = 0;
  // Grows seldom, and from below zero: counters are not held to be above it.
  add({ __name__: 'errors_total', job: 'web' }, () => (random.chance(0.03) ? ++errors : errors));
  add({ __name__: 'negative_total', job: 'web' }, (index) => index - 100);
  add({ __name__: 'resetting_total' }, (index) => (index * 7) % 40);
}

function addGauges(add: Add, random: Random): void {
  for (const [row, instance] of ['a:9090', 'b:9090', 'c:9090', 'd:9090'].entries()) {
    let used = 4e9;
    const memory = (): number => (used += random.int(-5_000_000, 5_000_000));
    add({ __name__: 'memory_used_bytes', job: 'node', instance }, memory, row * 4000);
    add({ __name__: 'memory_limit_bytes', job: 'node', instance }, () => 8e9 + row);
    add({ __name__: 'node_info', instance, version: `1.${row % 2}`, kernel: 'linux' }, () => 1);
  }
  for (const [sensor, base] of [
    ['cellar', -3.5],
    ['attic', 31.25],
    ['yard', 0],
  ] as const) {
    let degrees = base as number;
    const walk = (): number => (degrees += (random.next() - 0.5) / 3);
    add({ __name__: 'temperature_celsius', sensor, site: sensor === 'yard' ? 'out' : 'in' }, walk, 12_000);
  }
  const angles = [
    0, -0, 0.5, -0.5, 1, -1, 2, 3.141592653589793, 100.25, -1e-9, 1e-300, 12_345.678, 0.999999, 700, -700,
  ];
  for (const [n, value] of angles.entries()) add({ __name__: 'angle', n: String(n) }, () => value);
  add({ __name__: 'constant' }, () => 42);
  add({ __name__: 'steps' }, (index) => Math.floor(index / 17) * 1.5);
  add({ __name__: 'sawtooth', job: 'web' }, (index) => ((index * 13) % 29) - 14);
  const dates = [
    0, 951_782_400, 951_868_799, 1_709_164_800, 1_709_251_199, 1_735_603_200, -1, -62_135_596_800, 253_402_300_799,
    4e17, -2_208_988_800, 1_583_020_800.75, -0.5, 1e19, -1e30, 8_640_000_000_001,
  ];
  for (const [n, value] of dates.entries()) add({ __name__: 'date_seconds', n: String(n) }, () => value);
}

function addOddSeries(add: Add, random: Random): void {
  const odd = [
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    5e-324,
    2 ** 53 + 2,
    1e-200,
  ];
  for (const [name, values] of Object.entries({
    nan: [Number.NaN],
    inf: [Infinity],
    neginf: [-Infinity],
    huge: [1.7e308, 1.5e308, 1.79e308, -1.6e308],
    tiny: [5e-324, 1e-310, 2.5e-308],
    cancelling: [1e100, 1, -1e100, 3, 1e16, -1e16, 0.1],
    somenan: [1, Number.NaN, 3, 2],
    any: odd,
  })) {
    add({ __name__: 'odd', kind: name }, () => random.pick(values));
  }
  add({ __name__: 'zeros', sign: 'both' }, (index) => (index % 2 === 0 ? 0 : -0));
  // Ended with marks, back again later.
  for (const n of ['0', '1', '2', '3']) {
    const length = 11 + 4 * Number(n);
    const flap: Shape = (index) => {
      const phase = index % (2 * length);
      if (phase < length) return index;
      return phase === length ? 'stale' : undefined;
    };
    add({ __name__: 'flapping', n }, flap, n === '3' ? 5000 : 0);
  }
  add({ __name__: 'late' }, (index) => (index < 150 ? undefined : index));
  add({ __name__: 'early' }, (index) => (index > 40 ? undefined : index));
  add({ __name__: 'early_marked' }, (index) => (index > 40 ? undefined : index === 40 ? 'stale' : index));
  // Without marks: gone when five minutes have passed.
  add({ __name__: 'gaps_total', job: 'web' }, (index) => (index % 31 < 8 ? index * 3 : undefined), 20_000);
  add({ __name__: 'seldom_total' }, (index) => (index % 8 === 0 ? index * index : undefined));
  add({ __name__: 'single' }, (index) => (index === 100 ? 7 : undefined));
  add({ __name__: 'pair_total' }, (index) => (index === 100 || index === 101 ? index : undefined));
  add({ __name__: 'http.server.requests', 'net.host': 'a', job: 'web' }, counter(random, 20));
  add({ __name__: 'http.server.requests', 'net.host': 'b c', job: 'web' }, counter(random, 20));
  add({ __name__: 'température', комната: 'кухня' }, (index) => index / 3);
  add({ __name__: 'température', комната: '浴室' }, (index) => -index / 3);
  const texts = [
    'a"b',
    'two\nlines',
    'back\\slash',
    "it's",
    '😀 smile',
    'tab\there',
    '`tick`',
    '{x="y"}',
    '￿ end',
    '10',
    '9',
    'a.b',
  ];
  for (const [n, text] of texts.entries())
    add({ __name__: 'odd_text', text, group: String(n % 3) }, (index) => index + n);
  // Names that only differ: functions that drop the name make them the same.
  for (const name of ['twin_one', 'twin_two']) add({ __name__: name, job: 'web' }, (index) => index);
}

const BOUNDS = ['0.005', '0.1', '0.5', '1', '2.5', '10', '+Inf'];

function addClassicHistograms(add: Add, random: Random): void {
  for (const instance of ['a:9090', 'b:9090']) {
    const counts = BOUNDS.map(() => random.int(0, 5));
    const weights = [1, 6, 20, 9, 4, 1, 0];
    const draws: number[][] = [];
    for (let index = 0; index < COUNT; index++) {
      for (const [row, weight] of weights.entries()) {
        counts[row] = random.chance(0.001) ? 0 : counts[row]! + random.int(0, weight);
      }
      draws.push([...counts]);
    }
    const upTo = (index: number, row: number): number =>
      draws[index]!.slice(0, row + 1).reduce((sum, one) => sum + one, 0);
    for (const [row, le] of BOUNDS.entries()) {
      add({ __name__: 'request_seconds_bucket', job: 'web', instance, le }, (index) => upTo(index, row));
    }
    add({ __name__: 'request_seconds_count', job: 'web', instance }, (index) => upTo(index, BOUNDS.length - 1));
    add({ __name__: 'request_seconds_sum', job: 'web', instance }, (index) => upTo(index, BOUNDS.length - 1) * 0.75);
  }
  const histograms: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
    nonmonotonic_bucket: {
      '1': (i) => 10 + i,
      '2': (i) => 8 + i,
      '4': (i) => 12 + i,
      '8': (i) => 11 + i,
      '+Inf': (i) => 20 + i,
    },
    almost_bucket: { '1': (i) => 1e6 + i, '2': (i) => 1e6 + i - 1e-9, '+Inf': (i) => 1e6 + i + 5 },
    noinf_bucket: { '1': (i) => i, '2': (i) => 2 * i },
    onlyinf_bucket: { '+Inf': (i) => i },
    malformed_bucket: { '1': (i) => i, abc: (i) => 2 * i, '1e999': (i) => i, '0x1p1': (i) => 2 * i, inf: (i) => 4 * i },
    twice_bucket: { '1': (i) => i, '1.0': (i) => i, '2': (i) => 5 * i, '+Inf': (i) => 6 * i },
    negative_bucket: {
      '-5': (i) => i,
      '-1': (i) => 3 * i,
      '0': (i) => 4 * i,
      '2': (i) => 9 * i,
      '+Inf': (i) => 9 * i + 1,
    },
    empty_bucket: { '1': () => 0, '2': () => 0, '+Inf': () => 0 },
    nan_bucket: { '1': (i) => i, '2': () => Number.NaN, '+Inf': (i) => 3 * i },
    // The last bounds come later.
    growing_bucket: { '1': (i) => i, '2': (i) => (i > 80 ? 2 * i : undefined), '+Inf': (i) => 3 * i },
  };
  for (const [name, buckets] of Object.entries(histograms)) {
    for (const [le, shape] of Object.entries(buckets)) add({ __name__: name, le }, shape);
  }
  add({ __name__: 'conflict_bucket', job: 'web', le: '1' }, (index) => index);
  add({ __name__: 'conflict_bucket', job: 'web', le: '+Inf' }, (index) => 2 * index);
}

interface HistogramOptions {
  readonly schema?: number;
  readonly positive?: ReadonlyMap<number, number>;
  readonly negative?: ReadonlyMap<number, number>;
  readonly zeroCount?: number;
  readonly zeroThreshold?: number;
  readonly sum?: number;
  /** Observations of NaN. */
  readonly nanCount?: number;
  readonly customBounds?: readonly number[];
  readonly counterReset?: NativeHistogram['counterReset'];
}

function histogramOf(options: HistogramOptions): NativeHistogram {
  const { schema = 0, positive = new Map(), negative = new Map(), zeroCount = 0, zeroThreshold = 0 } = options;
  const side = (buckets: ReadonlyMap<number, number>): NativeHistogram['positive'] => {
    const rows = Array.from(buckets).toSorted(([one], [other]) => one - other);
    return {
      indexes: Int32Array.from(rows, ([index]) => index),
      counts: Float64Array.from(rows, ([, count]) => count),
    };
  };
  let count = zeroCount + (options.nanCount ?? 0);
  for (const buckets of [positive, negative]) for (const one of buckets.values()) count += one;
  return {
    schema,
    count,
    sum: options.sum ?? 0,
    zeroThreshold,
    zeroCount,
    positive: side(positive),
    negative: side(negative),
    ...(options.customBounds && { customBounds: options.customBounds }),
    counterReset: options.counterReset ?? 'unknown',
  };
}

/** A counter: buckets fill up, and now and then it begins anew. */
function growing(
  random: Random,
  low: number,
  high: number,
  options: HistogramOptions & { resets?: number; hasNegative?: boolean; isFull?: boolean },
): Shape {
  // Prometheus stores buckets that fill later with a count of 0 from the beginning of a chunk, and for sums of NaN it matters.
  const first =
    options.isFull === true ? Array.from({ length: high - low + 1 }, (_, row) => [low + row, 1] as const) : [];
  let positive = new Map<number, number>(first);
  let negative = new Map<number, number>(options.hasNegative === true ? first : []);
  let zeroCount = 0;
  let sum = 0;
  return () => {
    if (random.chance(options.resets ?? 0)) {
      [positive, negative, zeroCount, sum] = [new Map(), new Map(), 0, 0];
    }
    for (let draw = random.int(1, 12); draw > 0; draw--) {
      const index = random.int(low, high);
      const side = options.hasNegative === true && random.chance(0.4) ? negative : positive;
      side.set(index, (side.get(index) ?? 0) + random.int(1, 4));
      sum += random.int(-3, 40) / 8;
    }
    if (options.zeroThreshold !== undefined) zeroCount += random.int(0, 3);
    return histogramOf({
      ...options,
      positive: new Map(positive),
      negative: new Map(negative),
      zeroCount,
      sum: options.sum ?? sum,
    });
  };
}

function addNativeHistograms(add: Add, random: Random): void {
  for (const instance of ['a:9090', 'b:9090', 'c:9090']) {
    const shape = growing(random, -6, 9, { schema: 2, zeroThreshold: 0.001, resets: 0.02 });
    add({ __name__: 'native_seconds', job: 'web', instance }, shape, instance === 'c:9090' ? 7000 : 0);
  }
  for (const schema of [-4, -1, 0, 1, 3, 5, 8]) {
    const width = Math.max(2, 2 ** (schema + 2));
    add(
      { __name__: 'native_schemas', schema: String(schema) },
      growing(random, -Math.floor(width / 2), width, {
        schema,
        zeroThreshold: 2 ** -10 * (3 + schema / 8),
        resets: 0.01,
        hasNegative: true,
      }),
    );
  }
  const all = new Map([
    [-3, 1],
    [-2, 2],
    [0, 4.5],
    [1, 0.25],
    [5, 3],
  ]);
  for (const n of ['0', '1']) {
    const gauge: Shape = (index) => {
      const positive = new Map(Array.from(all, ([row, count]) => [row + (index % 3), count * (1 + ((index * 5) % 7))]));
      const zeroThreshold = n === '0' ? 0.01 : 0.5;
      const negative = new Map([[1, 2 + (index % 4)]]);
      return histogramOf({
        schema: 1,
        positive,
        negative,
        zeroCount: index % 5,
        zeroThreshold,
        sum: index / 4,
        counterReset: 'gauge',
      });
    };
    add({ __name__: 'native_gauge', n }, gauge);
  }
  const bounds = [-1, 0.1, 1, 2.5, 10];
  for (const n of ['0', '1'])
    add({ __name__: 'native_custom', n }, growing(random, 0, 5, { schema: -53, customBounds: bounds, resets: 0.02 }));
  add({ __name__: 'native_custom', n: 'other' }, growing(random, 0, 2, { schema: -53, customBounds: [1, 5] }));
  add({ __name__: 'native_custom_positive' }, growing(random, 0, 3, { schema: -53, customBounds: [0.5, 1, 4] }));
  add(
    { __name__: 'native_nan' },
    growing(random, 0, 6, { schema: 0, zeroThreshold: 0.01, sum: Number.NaN, nanCount: 25, isFull: true }),
  );
  add(
    { __name__: 'native_nan_sum' },
    growing(random, 0, 6, { schema: 0, sum: Number.NaN, hasNegative: true, isFull: true }),
  );
  add({ __name__: 'native_negative' }, (index) => {
    return histogramOf({
      schema: 0,
      negative: new Map([
        [0, index],
        [2, 3 * index],
      ]),
      zeroCount: index,
      zeroThreshold: 0.25,
      sum: -5 * index,
    });
  });
  add({ __name__: 'native_zero_only' }, (index) => histogramOf({ zeroCount: index, zeroThreshold: 0.125 }));
  add({ __name__: 'native_empty' }, () => histogramOf({}));
  // Resolution and zero bucket change within the series, as they do when a client runs out of buckets.
  const fine = growing(random, 1, 12, { schema: 3, zeroThreshold: 0.001 });
  const coarse = growing(random, 1, 12, { schema: 1, zeroThreshold: 0.3 });
  add({ __name__: 'native_coarser' }, (index) => (index % 80 < 40 ? fine : coarse)(index, 0));
  const custom = growing(random, 0, 3, { schema: -53, customBounds: [1, 2, 3] });
  add({ __name__: 'native_kinds' }, (index) => (index % 60 < 30 ? fine : custom)(index, 0));
  const other = growing(random, 0, 3, { schema: -53, customBounds: [1, 2, 4] });
  add({ __name__: 'native_bounds' }, (index) => (index % 60 < 30 ? other : custom)(index, 0));
  add({ __name__: 'mixed_kinds', job: 'web' }, (index) => (index % 50 < 25 ? index : fine(index, 0)));
  const flap = growing(random, 0, 4, { schema: 0, zeroThreshold: 0.01 });
  add({ __name__: 'native_flapping' }, (index) =>
    index % 40 < 25 ? flap(index, 0) : index % 40 === 25 ? 'stale' : undefined,
  );
  add({ __name__: 'conflict_bucket', job: 'web' }, growing(random, 0, 4, { schema: 0 }));
}
