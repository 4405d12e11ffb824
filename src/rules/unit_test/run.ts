/** Runs the tests of a file over rules, evaluation by evaluation, as `promtool test rules` of Prometheus 3.5 does. */
import { messageOf, type Place } from '../../errors.ts';
import type { Expression } from '../../promql/ast.ts';
import { createEngine, type Engine, type VectorRow } from '../../promql/engine.ts';
import { hasReset } from '../../promql/native_histograms.ts';
import { parse } from '../../promql/parse.ts';
import type { Labels, NativeHistogram } from '../../store/queryable.ts';
import { createStore, type SeriesStore } from '../../store/series_store.ts';
import { prometheusDurationText } from '../duration.ts';
import type { RuleSample, Surroundings } from '../evaluation.ts';
import { createGroup, type GroupRun } from '../group.ts';
import type { RuleGroup } from '../rule.ts';
import { alertDifference, sampleDifference, type Difference } from './difference.ts';
import { parseSeries, type Point } from './series_notation.ts';
import type { AlertTest, UnitTest, UnitTestFile } from './test_file.ts';

export interface TestOutcome {
  readonly name: string;
  readonly place: Place;
  readonly failures: readonly TestFailure[];
  /** What may be meant otherwise, though promtool takes it, too. */
  readonly notices: readonly string[];
}

export interface TestFailure {
  readonly message: string;
  readonly place: Place | undefined;
  readonly difference?: Difference | undefined;
}

/** A test runs in a process of its own: what it may take is only there to stop a slip. */
const LIMITS = { samples: 50_000_000, series: 1_000_000, time_ms: 100_000 };
const STORE_BYTES = 1 << 30;
/** Longer than any test, and short enough that the store's arithmetic stays exact. */
const RETENTION_MS = 100 * 365 * 86_400_000;
const QUIET = () => undefined;

/** @param groups of the rule files, which are in order. Never throws but for bugs. */
export function runUnitTest(
  test: UnitTest,
  index: number,
  file: UnitTestFile,
  groups: readonly RuleGroup[],
): TestOutcome {
  const name = test.name === '' ? `unnamed#${index}` : test.name;
  const notices: string[] = [];
  const failures: TestFailure[] = [];
  const outcome = { name, place: test.place, failures, notices };
  const nameless = test.alertTests.find(({ alertname }) => alertname === '');
  if (nameless !== undefined) {
    const when = prometheusDurationText(nameless.time_ms);
    failures.push({ message: `a test of alerts, at ${when}: it has no "alertname"`, place: nameless.place });
    return outcome;
  }
  const world = createWorld(test, file);
  try {
    world.load(test, notices);
  } catch (error) {
    const place = error instanceof SeriesError ? error.place : test.place;
    failures.push({ message: messageOf(error), place });
    return outcome;
  }
  const runs = inOrder(groups, file.groupOrder).map((group) =>
    createGroup(group, {
      interval_ms: test.interval_ms,
      queryOffset_ms: 0,
      externalLabels: test.externalLabels,
      externalURL: test.externalURL,
      resendDelay_ms: 60_000,
      maxAlerts: 0,
      ruleTime_ms: LIMITS.time_ms,
    }),
  );
  if (!evaluateAll(test, file, runs, world, failures)) return outcome;
  for (const { expr, time_ms, expected, place } of test.queryTests) {
    const what = `${expr}, at ${prometheusDurationText(time_ms)}`;
    try {
      const difference = sampleDifference(expected, world.rows(expr, time_ms), file.isFuzzy);
      if (difference !== undefined) failures.push({ message: what, place, difference });
    } catch (error) {
      failures.push({ message: `${what}: ${messageOf(error)}`, place });
    }
  }
  return outcome;
}

/** Groups of one name, and those that the order does not name, stay as they are. */
function inOrder(groups: readonly RuleGroup[], order: readonly string[]): RuleGroup[] {
  const position = ({ name }: RuleGroup): number => Math.max(0, order.indexOf(name));
  return groups.toSorted((a, b) => position(a) - position(b));
}

/** Says whether all rules could be evaluated: as soon as one could not, there is nothing more to be said. */
function evaluateAll(
  test: UnitTest,
  { interval_ms }: UnitTestFile,
  runs: readonly GroupRun[],
  world: World,
  failures: TestFailure[],
): boolean {
  const times = [...test.alertTests, ...test.queryTests].map(({ time_ms }) => time_ms);
  const last_ms = times.reduce((last, time_ms) => Math.max(last, time_ms), 0);
  const due = test.alertTests.toSorted((a, b) => a.time_ms - b.time_ms);
  for (let time_ms = 0; time_ms <= last_ms; time_ms += interval_ms) {
    world.moveTo(time_ms);
    const errors = runs.flatMap((run) => run.evaluate(time_ms, world.surroundings).failures);
    for (const { rule, error } of errors) {
      failures.push({ message: `rule ${rule}, at ${prometheusDurationText(time_ms)}: ${error}`, place: undefined });
    }
    if (errors.length > 0) return false;
    // What is asked between two evaluations is answered by the first.
    while (due[0] !== undefined && due[0].time_ms < time_ms + interval_ms) {
      const failure = judgeAlerts(due.shift()!, runs);
      if (failure !== undefined) failures.push(failure);
    }
  }
  return true;
}

function judgeAlerts(test: AlertTest, runs: readonly GroupRun[]): TestFailure | undefined {
  const firing = runs
    .flatMap((run) => run.status().rules)
    .filter(({ type, name }) => type === 'alerting' && name === test.alertname)
    .flatMap(({ alerts }) => alerts.filter(({ state }) => state === 'firing'));
  const difference = alertDifference(test.expected, firing);
  if (difference === undefined) return undefined;
  return {
    message: `alert ${test.alertname}, at ${prometheusDurationText(test.time_ms)}`,
    place: test.place,
    difference,
  };
}

interface World {
  readonly surroundings: Surroundings;
  /** @throws {SeriesError} */
  load(test: UnitTest, notices: string[]): void;
  /** From now on there is what was measured until then. */
  moveTo(time_ms: number): void;
  rows(expr: string, time_ms: number): readonly VectorRow[];
}

class SeriesError extends SyntaxError {
  readonly place: Place;
  constructor(message: string, place: Place, cause?: unknown) {
    super(message, { cause });
    this.place = place;
  }
}

interface Loaded {
  readonly labels: Labels;
  readonly points: readonly Point[];
  next: number;
  /** The last one that is loaded. */
  last: Point;
}

function createWorld({ interval_ms: step_ms }: UnitTest, file: UnitTestFile): World {
  let now_ms = 0;
  const series = new Map<string, Loaded>();
  const store = createStore({
    retention_ms: RETENTION_MS,
    max_bytes: STORE_BYTES,
    max_series: LIMITS.series,
    log: { error: QUIET, warn: QUIET, info: QUIET, once: QUIET, over: QUIET },
    now_ms: () => now_ms,
  });
  const ask = createAsk(createEngine({ queryable: store, subqueryStep_ms: file.interval_ms, limits: LIMITS }));

  function moveTo(time_ms: number): void {
    now_ms = time_ms;
    for (const one of series.values()) {
      for (; one.next < one.points.length && one.next * step_ms <= time_ms; one.next++) {
        const point = one.points[one.next];
        if (point === undefined) continue;
        store.append(one.labels, one.next * step_ms, hinted(point, one.last));
        one.last = point;
      }
    }
  }

  return {
    moveTo,
    rows: ask,
    surroundings: { query: ask, append: (sample) => append(store, sample), monotonic_ms: () => performance.now() },
    load(test, notices) {
      for (const { text, place } of test.series) {
        // promtool reads the series as lines, and nothing after an empty one.
        const [first = '', ...rest] = text.split('\n').map((line) => line.trim());
        const loaded = read(first, place);
        series.set(JSON.stringify([...loaded.labels]), loaded);
        if (rest.length === 0) continue;
        if (rest.some((line) => line !== ''))
          throw new SeriesError('Cannot read values: they go on in a new line', place);
        if (test.series.at(-1)?.text === text) continue;
        notices.push('Values that end with an empty line: the series below them are not loaded, as in promtool');
        return;
      }
    },
  };
}

function read(text: string, place: Place): Loaded {
  try {
    const { labels, points } = parseSeries(text);
    if (labels.size === 0 && points.some((point) => point !== undefined))
      throw new SyntaxError('Cannot load a series: it has no labels');
    return { labels, points, next: 0, last: undefined };
  } catch (error) {
    throw new SeriesError(messageOf(error), place, error);
  }
}

function append(store: SeriesStore, { labels, time_ms, value }: RuleSample): string | undefined {
  return store.append(labels, time_ms, value);
}

/** With what Prometheus' store says of resets: that there was none since the histogram before, or nothing. */
function hinted(point: Exclude<Point, undefined>, last: Point): number | NativeHistogram | 'stale' {
  if (typeof point !== 'object' || point.counterReset === 'gauge') return point;
  const goesOn = typeof last === 'object' && last.counterReset !== 'gauge' && !hasReset(point, last);
  return { ...point, counterReset: goesOn ? 'none' : 'unknown' };
}

/** Rules ask the same at each evaluation: what is parsed is remembered. */
function createAsk(engine: Engine): World['rows'] {
  const parsed = new Map<string, Expression>();
  return (text, time_ms) => {
    const expression = parsed.get(text) ?? parse(text);
    parsed.set(text, expression);
    const result = engine.instant(expression, time_ms);
    if (result.type === 'vector') return result.rows;
    if (result.type === 'scalar') return [{ labels: new Map(), value: result.value, time_ms }];
    throw new Error('rule result is not a vector or scalar');
  };
}
