/** Queries that chance puts together of what fits: selectors in functions in operators. */
import type { Random } from '../../integration/oracle/random.ts';
import { ARITHMETIC, COMPARISONS, RANGE_FUNCTIONS, UNARY } from './products.ts';

/** Without those that make large differences of small ones: of what chance puts together the last digits may differ. */
const STEADY = ARITHMETIC.filter((op) => op !== '%');

export function randomQuery(random: Random): string {
  return random.chance(0.12) ? randomScalar(random, 3) : randomVector(random, 3);
}

const VECTOR_SELECTORS = [
  'http_requests_total',
  'http_requests_total{code="500"}',
  'http_requests_total{method="GET"}',
  'node_cpu_seconds_total{mode="user"}',
  'temperature_celsius',
  'memory_used_bytes',
  'memory_limit_bytes',
  'errors_total',
  'flapping',
  'steps',
  'sawtooth',
  'resetting_total',
  'constant',
  'odd{kind=~"nan|inf|any"}',
  'angle',
  'gaps_total',
  'late',
  'early_marked',
  'seldom_total',
  'odd_text{group="1"}',
  '{"http.server.requests"}',
];
const COUNTED = ['native_seconds', 'native_custom_positive', 'native_coarser', 'mixed_kinds'];
const HISTOGRAM_SELECTORS = [
  'native_seconds',
  'native_gauge',
  'native_custom_positive',
  'native_coarser',
  'mixed_kinds',
];
const MODIFIERS = [
  '',
  '',
  '',
  '',
  '',
  ' offset 3m',
  ' offset -90s',
  ' @ 1709250500',
  ' @ end()',
  ' @ start() offset 4m',
  ' offset 2h',
  ' @ 1709249999.5',
];
const DURATIONS = ['45s', '2m', '5m', '8m30s', '20m', '1h'];
const GROUPINGS = [
  '',
  '',
  'by (instance) ',
  'by (job, code) ',
  'without (instance) ',
  'without (code, method, cpu) ',
  'by (missing) ',
  'by (n) ',
];

function randomVector(random: Random, depth: number): string {
  if (depth === 0 || random.chance(0.15)) return random.pick(VECTOR_SELECTORS) + random.pick(MODIFIERS);
  const inner = (): string => randomVector(random, depth - 1);
  switch (random.int(0, 11)) {
    case 0:
      return `${random.pick(UNARY)}(${inner()})`;
    case 1:
    case 2:
      return `${random.pick(RANGE_FUNCTIONS)}(${randomRange(random, depth)})`;
    case 3:
      return `${random.pick(['quantile_over_time', 'quantile_over_time'])}(${random.pick(['0.1', '0.5', '0.95'])}, ${randomRange(random, depth)})`;
    case 4:
    case 5:
      return `${random.pick(['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar'])} ${random.pick(GROUPINGS)}(${inner()})`;
    case 6:
      return `(${inner()}) ${random.pick([...STEADY, ...COMPARISONS])} ${randomScalar(random, 1)}`;
    case 7:
      return `${randomScalar(random, 1)} ${random.pick(STEADY)} (${inner()})`;
    case 8:
      return `(${inner()}) ${random.pick([...STEADY, ...COMPARISONS, ...COMPARISONS.map((op) => `${op} bool`)])} ${random.pick(['', 'on (instance) ', 'on (job) ', 'ignoring (instance) ', 'on (job) group_left () ', 'on (instance, job) group_right () ', 'ignoring (code) group_left () '])}(${inner()})`;
    case 9:
      return `(${inner()}) ${random.pick(['and', 'or', 'unless'])} ${random.pick(['', 'on (instance) ', 'on () ', 'ignoring (job) '])}(${inner()})`;
    case 10:
      return random.pick([
        `clamp(${inner()}, ${randomScalar(random, 1)}, 50)`,
        `clamp_min(${inner()}, ${randomScalar(random, 1)})`,
        `round(${inner()}, 0.25)`,
        `-(${inner()})`,
        `absent(${inner()})`,
        `hour(${inner()})`,
      ]);
    default: {
      const histogram = random.pick(HISTOGRAM_SELECTORS);
      const vector = random.pick([
        histogram + random.pick(MODIFIERS),
        `rate(${random.pick(COUNTED)}[${random.pick(DURATIONS)}])`,
        `sum(${histogram})`,
        `avg(increase(${random.pick(COUNTED)}[7m]))`,
        `${histogram} * ${randomScalar(random, 0)}`,
      ]);
      return random.pick([
        `histogram_quantile(${random.pick(['0.25', '0.5', '0.95'])}, ${vector})`,
        `histogram_count(${vector})`,
        `histogram_sum(${vector})`,
        `histogram_avg(${vector})`,
        `histogram_stddev(${vector})`,
        `histogram_fraction(0, 2, ${vector})`,
      ]);
    }
  }
}

function randomRange(random: Random, depth: number): string {
  const range = random.pick(DURATIONS);
  if (random.chance(0.3))
    return `(${randomVector(random, depth - 1)})[${range}:${random.pick(['', '1m', '33s', '2m30s'])}]${random.pick(MODIFIERS)}`;
  return `${random.pick(VECTOR_SELECTORS)}[${range}]${random.pick(MODIFIERS)}`;
}

function randomScalar(random: Random, depth: number): string {
  if (depth === 0 || random.chance(0.5)) return random.pick(['2', '0.5', '10', '-3', '1e3', '0', '1.1', 'pi()', '7']);
  return random.pick([
    `scalar(${random.pick(['steps', 'constant', 'sum(errors_total)', 'sawtooth'])})`,
    '(time() - 1709250000)',
    `(${randomScalar(random, depth - 1)} ${random.pick(STEADY)} ${randomScalar(random, depth - 1)})`,
    '(1 < bool 2)',
    '(5m / 2)',
  ]);
}
