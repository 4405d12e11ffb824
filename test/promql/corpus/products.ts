/** For each function, operator and aggregation the same arguments, with all that is odd among them. */

export function productQueries(): string[] {
  return [
    ...instantFunctions(),
    ...rangeFunctions(),
    ...histogramFunctions(),
    ...aggregations(),
    ...binaryOperators(),
    ...subqueries(),
  ];
}

export const UNARY = [
  'abs',
  'ceil',
  'floor',
  'exp',
  'ln',
  'log2',
  'log10',
  'sqrt',
  'sgn',
  'round',
  'acos',
  'acosh',
  'asin',
  'asinh',
  'atan',
  'atanh',
  'cos',
  'cosh',
  'sin',
  'sinh',
  'tan',
  'tanh',
  'deg',
  'rad',
];
const DATES = ['day_of_month', 'day_of_week', 'day_of_year', 'days_in_month', 'hour', 'minute', 'month', 'year'];
const VECTORS = ['absent', 'scalar', 'sort', 'sort_desc', 'timestamp'];

function instantFunctions(): string[] {
  const all: string[] = [];
  for (const name of UNARY) {
    all.push(
      `${name}(angle)`,
      `${name}(odd)`,
      `${name}(temperature_celsius)`,
      `${name}(mixed_kinds)`,
      `${name}(-angle / 7)`,
      `${name}(vector(NaN))`,
    );
  }
  for (const name of DATES)
    all.push(
      `${name}(date_seconds)`,
      `${name}(vector(time()))`,
      `${name}(odd)`,
      `${name}(mixed_kinds)`,
      `${name}(vector(time() * 1.37))`,
    );
  for (const name of VECTORS) {
    for (const argument of [
      'temperature_celsius',
      'odd{kind="any"}',
      'constant',
      'nothing_here',
      'mixed_kinds',
      'native_seconds',
      'flapping',
      'http_requests_total{method="GET"} > 100',
      'early',
    ]) {
      all.push(`${name}(${argument})`);
    }
  }
  return all;
}

export const RANGE_FUNCTIONS = [
  'rate',
  'increase',
  'delta',
  'irate',
  'idelta',
  'deriv',
  'changes',
  'resets',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'sum_over_time',
  'count_over_time',
  'last_over_time',
  'present_over_time',
  'absent_over_time',
  'stddev_over_time',
  'stdvar_over_time',
];
const RANGES_OF = [
  'http_requests_total{method="POST"}[5m]',
  'http_requests_total{code="500",instance="c:9090"}[2m]',
  'node_cpu_seconds_total{mode="user"}[10m]',
  'resetting_total[7m]',
  'negative_total[1h]',
  'temperature_celsius[4m]',
  'odd[8m]',
  'flapping[12m]',
  'gaps_total[11m]',
  'seldom_total[15m]',
  'single[1h]',
  'pair_total[1h]',
  'early_marked[30m]',
  'late[20m]',
  'errors_total[1h]',
  'zeros[2m]',
  'mixed_kinds[16m]',
  'nothing_here[5m]',
  'constant[1m]',
  'constant[30s]',
  'constant[31s]',
  'steps[23m]',
];
const NATIVE_RANGES = [
  'native_seconds[5m]',
  'native_schemas[4m]',
  'native_gauge[6m]',
  'native_custom[20m]',
  'native_coarser[25m]',
  'native_kinds[20m]',
  'native_bounds[20m]',
  'native_flapping[18m]',
  'native_negative[3m]',
  'native_nan[3m]',
  'native_zero_only[3m]',
  'native_empty[3m]',
];

function rangeFunctions(): string[] {
  const all: string[] = [];
  for (const name of RANGE_FUNCTIONS) {
    for (const range of RANGES_OF) all.push(`${name}(${range})`);
    for (const range of NATIVE_RANGES) {
      const isLarge = ['native_schemas[4m]', 'native_custom[20m]'].includes(range);
      // What comes out is large; counts and one quantile show the same.
      if (isLarge && !['changes', 'resets', 'count_over_time'].includes(name))
        all.push(`histogram_quantile(0.7, ${name}(${range}))`, `histogram_count(${name}(${range}))`);
      else all.push(`${name}(${range})`);
    }
  }
  for (const quantile of ['0', '0.5', '0.99', '1', '-1', '1.5', 'NaN', 'scalar(angle{n="2"})', '1/3']) {
    for (const range of [
      'http_requests_total{code="500"}[5m]',
      'odd[8m]',
      'mixed_kinds[16m]',
      'temperature_celsius[4m]',
    ])
      all.push(`quantile_over_time(${quantile}, ${range})`);
  }
  for (const ahead of ['0', '3600', '-60', 'NaN', 'Inf', 'time() - 1709251200', '1h']) {
    for (const range of ['memory_used_bytes[10m]', 'gaps_total[12m]', 'odd[8m]', 'constant[5m]', 'mixed_kinds[16m]'])
      all.push(`predict_linear(${range}, ${ahead})`);
  }
  return all;
}

const CLASSIC = [
  'request_seconds_bucket',
  'nonmonotonic_bucket',
  'almost_bucket',
  'noinf_bucket',
  'onlyinf_bucket',
  'malformed_bucket',
  'twice_bucket',
  'negative_bucket',
  'empty_bucket',
  'nan_bucket',
  'growing_bucket',
  'conflict_bucket',
];
const NATIVE = [
  'native_seconds',
  'native_schemas',
  'native_gauge',
  'native_custom',
  'native_custom_positive',
  'native_nan',
  'native_nan_sum',
  'native_negative',
  'native_zero_only',
  'native_empty',
  'native_coarser',
  'native_kinds',
  'mixed_kinds',
  'constant',
];

function histogramFunctions(): string[] {
  const all: string[] = [];
  for (const name of [...CLASSIC, ...NATIVE]) {
    for (const quantile of ['0', '0.1', '0.5', '0.9', '1', '-1', '2', 'NaN'])
      all.push(`histogram_quantile(${quantile}, ${name})`);
    for (const bounds of ['0, 1', '-Inf, Inf', '-0.5, 0.3', '1, 4', '5, 2', 'NaN, 1', '-Inf, 0.0005', '2.5, Inf'])
      all.push(`histogram_fraction(${bounds}, ${name})`);
  }
  for (const name of NATIVE) {
    for (const part of ['count', 'sum', 'avg', 'stddev', 'stdvar']) all.push(`histogram_${part}(${name})`);
  }
  return all;
}

const AGGREGATIONS = ['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar'];

function aggregations(): string[] {
  const all: string[] = [];
  for (const name of AGGREGATIONS) {
    all.push(
      `${name}(http_requests_total)`,
      `${name} by (code) (http_requests_total)`,
      `${name}(http_requests_total) by (code, method)`,
      `${name} without (code, method) (http_requests_total)`,
      `${name} without () (http_requests_total{code="500"})`,
      `${name} by () (http_requests_total)`,
      `${name} by (missing, job,) (http_requests_total)`,
      `${name} by (__name__) ({__name__=~"twin_.*|constant"})`,
      `${name} by (kind) (odd)`,
      `${name}(odd{kind=~"nan|tiny"})`,
      `${name}(odd{kind=~"inf|tiny"})`,
      `${name}(temperature_celsius)`,
      `${name} by (site) (temperature_celsius)`,
      `${name}(angle)`,
      `${name}(nothing_here)`,
      `${name}(flapping)`,
      `${name}(mixed_kinds or constant)`,
      `${name} by ("net.host") ({"http.server.requests"})`,
      `${name}(native_seconds)`,
      `${name} by (job) (native_seconds or on () constant)`,
      `${name}(native_gauge)`,
      `${name}(native_custom)`,
      `${name}({__name__=~"native_custom|native_seconds"})`,
      `histogram_quantile(0.3, ${name}(native_schemas))`,
      `histogram_count(${name}(native_schemas))`,
      `${name}(rate(http_requests_total[5m]))`,
      `${name} by (job) (rate(native_seconds[5m]))`,
    );
  }
  for (const name of ['topk', 'bottomk']) {
    for (const k of ['1', '3', '0', '-1', '2.7', '100', 'NaN', 'scalar(constant) / 20', 'time() % 4']) {
      all.push(`${name}(${k}, node_cpu_seconds_total)`, `${name} by (mode) (${k}, node_cpu_seconds_total)`);
    }
    all.push(
      `${name} without (cpu) (1, node_cpu_seconds_total)`,
      `${name}(2, odd{kind=~"nan|inf|tiny"})`,
      `${name}(3, mixed_kinds or temperature_celsius)`,
      `${name}(1, native_seconds)`,
      `${name}(5, temperature_celsius)`,
      `${name}(Inf, temperature_celsius)`,
    );
  }
  for (const q of ['0', '0.5', '0.9', '1', '-0.1', '1.1', 'NaN', 'Inf', 'scalar(angle{n="2"})']) {
    all.push(
      `quantile(${q}, http_requests_total)`,
      `quantile by (mode) (${q}, node_cpu_seconds_total)`,
      `quantile(${q}, odd)`,
      `quantile(${q}, mixed_kinds or constant)`,
    );
  }
  return all;
}

export const ARITHMETIC = ['+', '-', '*', '/', '%', '^', 'atan2'];
export const COMPARISONS = ['==', '!=', '<', '>', '<=', '>='];

function binaryOperators(): string[] {
  const all: string[] = [];
  for (const op of ARITHMETIC) {
    all.push(
      `temperature_celsius ${op} 3`,
      `3 ${op} temperature_celsius`,
      `odd ${op} 2`,
      `2 ${op} odd`,
      `angle ${op} angle`,
      `odd ${op} odd`,
      `memory_used_bytes ${op} on (instance) memory_limit_bytes`,
      `native_seconds ${op} 2`,
      `2 ${op} native_seconds`,
      `native_seconds ${op} native_seconds`,
      `mixed_kinds ${op} constant`,
      `mixed_kinds ${op} ignoring (job) constant`,
      `native_gauge ${op} native_gauge`,
      `sum(native_schemas) ${op} sum(native_gauge)`,
      `native_custom ${op} native_custom`,
      `native_seconds ${op} 0`,
      `native_seconds ${op} on (instance) group_left memory_limit_bytes`,
    );
  }
  for (const op of COMPARISONS) {
    all.push(
      `temperature_celsius ${op} 3`,
      `3 ${op} temperature_celsius`,
      `temperature_celsius ${op} bool 3`,
      `3 ${op} bool temperature_celsius`,
      `odd ${op} odd`,
      `odd ${op} bool odd`,
      `angle ${op} bool 0.5`,
      `memory_used_bytes ${op} on (instance) memory_limit_bytes`,
      `memory_used_bytes ${op} bool on (instance) memory_limit_bytes`,
      `native_seconds ${op} native_seconds`,
      `native_seconds ${op} 2`,
      `native_seconds ${op} bool native_seconds`,
      `mixed_kinds ${op} ignoring (job) constant`,
      `odd ${op} NaN`,
    );
  }
  for (const op of ['and', 'or', 'unless']) {
    all.push(
      `http_requests_total{code="200"} ${op} http_requests_total{method="GET"}`,
      `http_requests_total ${op} on (code) http_requests_total{code="404",method="GET"}`,
      `memory_used_bytes ${op} ignoring (version, kernel) node_info`,
      `memory_used_bytes ${op} on () constant`,
      `flapping ${op} flapping{n="1"}`,
      `temperature_celsius ${op} nothing_here`,
      `nothing_here ${op} temperature_celsius`,
      `native_seconds ${op} on (instance) memory_used_bytes`,
      `{__name__=~"twin_.*"} ${op} twin_one`,
      `(errors_total > 3) ${op} ignoring () sawtooth`,
      `odd ${op} on (kind) odd{kind=~"nan|inf"}`,
    );
  }
  return all;
}

function subqueries(): string[] {
  return RANGE_FUNCTIONS.flatMap((name) => [
    `${name}(errors_total[10m:1m])`,
    `${name}(rate(http_requests_total{code="404",method="GET"}[5m])[15m:97s])`,
    `${name}(flapping{n=~"0|1"}[20m:])`,
    `${name}(native_seconds{instance="a:9090"}[6m:40s])`,
  ]);
}
