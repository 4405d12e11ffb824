/** Series in memory from the notation of promtool's tests, for whatever reads a Queryable. */
import type { Labels, Matcher, NativeHistogram, Queryable, Samples, StoredSeries } from '../../src/store/queryable.ts';
import { addHistograms, subtractHistograms } from '../../src/promql/native_histograms.ts';
import { compileRegExp } from '../../src/text/regexp.ts';

export interface LoadedSeries {
  readonly labels: Labels;
  readonly times: readonly number[];
  /** NaN where `stale` or a histogram is. */
  readonly values: readonly number[];
  readonly stale: readonly boolean[];
  readonly histograms: readonly (NativeHistogram | undefined)[];
}

/**
 * One series a line, as `metric{a="b"} 0+10x10 _ stale 5x3 {{schema:0 sum:1 count:2 buckets:[1 1]}}`; empty lines and
 * `#` comments are left out. Samples stand `interval_ms` apart from `start_ms` on.
 */
export function load(
  text: string,
  { interval_ms = 15_000, start_ms = 0 } = {},
): Queryable & { series: LoadedSeries[] } {
  const series: LoadedSeries[] = [];
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) series.push(parseSeries(trimmed, interval_ms, start_ms));
  }
  return { ...queryableOf(series), series };
}

/** A Queryable over the series; the arrays it hands out are reused, as those of the real store may be. */
export function queryableOf(all: readonly LoadedSeries[]): Queryable {
  const stored = all.map(storedSeries);
  return {
    select(matchers: readonly Matcher[]) {
      const tests = matchers.map(matcherTest);
      return stored.filter(({ labels }) => tests.every((matches) => matches(labels)));
    },
  };
}

/** `{__name__="a",b="c"}` of any order of names → Labels in the order that the contract asks for. */
export function labelsOf(labels: Readonly<Record<string, string>>): Labels {
  const entries = Object.entries(labels).filter(([, value]) => value !== '');
  return new Map(entries.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function matcherTest({ name, op, value }: Matcher): (labels: Labels) => boolean {
  const regexp = op === '=~' || op === '!~' ? compileRegExp(`^(?s:${value})$`) : undefined;
  return (labels) => {
    const found = labels.get(name) ?? '';
    const isMatch = regexp === undefined ? found === value : regexp.matches(found);
    return isMatch === (op === '=' || op === '=~');
  };
}

function storedSeries({ labels, times, values, stale, histograms }: LoadedSeries): StoredSeries {
  const allTimes = Float64Array.from(times);
  const allValues = Float64Array.from(values);
  const allStale = stale.includes(true) ? Uint8Array.from(stale, Number) : undefined;
  const hasHistograms = histograms.some((histogram) => histogram !== undefined);
  return {
    labels,
    samples(from_ms, to_ms): Samples {
      let from = 0;
      while (from < allTimes.length && allTimes[from]! < from_ms) from++;
      let to = allTimes.length;
      while (to > from && allTimes[to - 1]! > to_ms) to--;
      return {
        count: to - from,
        times: allTimes.subarray(from, to),
        values: allValues.subarray(from, to),
        ...(allStale && { stale: allStale.subarray(from, to) }),
        ...(hasHistograms && { histograms: histograms.slice(from, to) }),
      };
    },
  };
}

function parseSeries(line: string, interval_ms: number, start_ms: number): LoadedSeries {
  const head = /^([^{\s]*)\s*(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?\s+/.exec(line);
  if (head === null) throw new SyntaxError(`Cannot read series: ${line}`);
  const labels: Record<string, string> = head[1] === '' ? {} : { __name__: head[1]! };
  for (const [, name, bare, value] of (head[2] ?? '').matchAll(
    /(?:("(?:[^"\\]|\\.)*")\s*(?![=\s])|((?:"(?:[^"\\]|\\.)*")|[\w.:]+)\s*=\s*("(?:[^"\\]|\\.)*"))/g,
  )) {
    if (name !== undefined) labels['__name__'] = JSON.parse(name) as string;
    else labels[bare!.startsWith('"') ? (JSON.parse(bare!) as string) : bare!] = JSON.parse(value!) as string;
  }
  const points = parsePoints(line.slice(head[0].length));
  const at = points.flatMap((point, index) =>
    point === undefined ? [] : [{ time: start_ms + index * interval_ms, point }],
  );
  return {
    labels: labelsOf(labels),
    times: at.map(({ time }) => time),
    values: at.map(({ point }) => (typeof point === 'number' ? point : Number.NaN)),
    stale: at.map(({ point }) => point === 'stale'),
    histograms: at.map(({ point }) => (typeof point === 'object' ? point : undefined)),
  };
}

type Point = number | 'stale' | NativeHistogram | undefined;

function parsePoints(text: string): Point[] {
  const points: Point[] = [];
  for (const [item, histogram, sign, change, repeat] of text.matchAll(
    /\{\{([^}]*)\}\}(?:([-+])\{\{([^}]*)\}\})?(?:x(\d+))?|\S+/g,
  )) {
    if (histogram !== undefined) {
      const combine = sign === '-' ? subtractHistograms : addHistograms;
      let current: NativeHistogram = parseHistogram(histogram);
      for (let count = 0; count <= Number(repeat ?? 0); count++) {
        points.push(current);
        if (change === undefined) continue;
        const next = combine(current, parseHistogram(change));
        if (typeof next === 'string') throw new SyntaxError(`Cannot combine histograms: ${item}`);
        current = next;
      }
      continue;
    }
    const [, base, step, times] =
      /^(_|stale|[-+]?(?:[\d.]+(?:e[-+]?\d+)?|Inf|NaN))([-+](?:[\d.]+(?:e[-+]?\d+)?|Inf|NaN))?(?:x(\d+))?$/i.exec(
        item,
      ) ?? [];
    if (base === undefined) throw new SyntaxError(`Cannot read samples: ${item}`);
    // `_x3` are three gaps, but `1x3` are four ones: promtool's rules.
    const count = base === '_' ? Math.max(1, Number(times ?? 1)) : Number(times ?? 0) + 1;
    for (let index = 0; index < count; index++) {
      if (base === '_') points.push(undefined);
      else if (base === 'stale') points.push('stale');
      else points.push(step === undefined ? toNumber(base) : toNumber(base) + index * toNumber(step));
    }
  }
  return points;
}

function toNumber(text: string): number {
  const special = /^([-+]?)inf$/i.exec(text);
  if (special !== null) return special[1] === '-' ? -Infinity : Infinity;
  return Number(text);
}

/** `schema:1 sum:3 count:4 z_bucket:1 z_bucket_w:0.1 buckets:[1 2] offset:1 n_buckets:[3] n_offset:0 custom_values:[1 2] counter_reset_hint:gauge` */
export function parseHistogram(text: string): NativeHistogram {
  const fields = new Map<string, string>();
  for (const [, name, list, bare] of text.matchAll(/(\w+):(?:\[([^\]]*)\]|(\S+))/g)) fields.set(name!, list ?? bare!);
  const number = (name: string): number => toNumber(fields.get(name) ?? '0');
  const list = (name: string): number[] => (fields.get(name) ?? '').split(/\s+/).filter(Boolean).map(toNumber);
  const buckets = (name: string, offset: number): NativeHistogram['positive'] => {
    const rows = list(name).map((count, index) => ({ index: index + offset, count }));
    return {
      indexes: Int32Array.from(rows, ({ index }) => index),
      counts: Float64Array.from(rows, ({ count }) => count),
    };
  };
  const hint = { unknown: 'unknown', reset: 'reset', not_reset: 'none', gauge: 'gauge' } as const;
  const customBounds = fields.has('custom_values') ? list('custom_values') : undefined;
  return {
    schema: number('schema'),
    count: number('count'),
    sum: number('sum'),
    zeroThreshold: number('z_bucket_w'),
    zeroCount: number('z_bucket'),
    positive: buckets('buckets', number('offset')),
    negative: buckets('n_buckets', number('n_offset')),
    ...(customBounds && { customBounds }),
    counterReset: hint[(fields.get('counter_reset_hint') ?? 'unknown') as keyof typeof hint],
  };
}
