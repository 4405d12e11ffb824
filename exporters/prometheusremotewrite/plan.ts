/** What a layout is to remote write, worked out once: which series its rows are, and the strings that they need. */
import type { Metric, Series } from '../../src/model/batch.ts';
import { perLayout, type Layout } from '../../src/model/layout.ts';
import { translateMetric, typeOf, type PrometheusType } from '../../src/prometheus/metrics.ts';
import { translateUnit, type NameOptions } from '../../src/prometheus/names.ts';
import { placeOf, type Pairs } from './label_pairs.ts';
import { Symbols } from './symbols.ts';

/** How a point travels: as one sample, as samples of several series, or as a native histogram. */
export type Form = 'number' | 'buckets' | 'quantiles' | 'native';

export interface PlanOptions {
  readonly names: NameOptions;
  readonly pairs: (series: Series) => Pairs;
  /** Which histograms become native ones; all others become series of buckets. */
  readonly native: 'exponential' | 'all' | 'none';
  /** Whether help and unit go along. */
  readonly hasMetadata: boolean;
}

/** One set of labels, and the rows that are points of it. */
export interface Entry {
  readonly series: Series;
  readonly form: Form;
  /** More than one only where a batch holds several times of the same series. */
  readonly rows: number[];
  readonly name: string;
  readonly pairs: Pairs;
  /** Numbers of names and values, alternately, sorted by name; with `__name__`. */
  readonly refs: readonly number[];
  /** Where in `refs` the value of `__name__` stands. */
  readonly nameAt: number;
  /** Where in `refs` the label `le` or `quantile` goes. */
  readonly edgeAt: number;
  readonly type: PrometheusType;
  readonly help: number;
  readonly unit: number;
}

export interface Dropped {
  count: number;
  /** One of the names, to show. */
  readonly example: string;
}

export interface Plan {
  readonly entries: readonly Entry[];
  /** By row; undefined where the row cannot be sent. */
  readonly byRow: readonly (Entry | undefined)[];
  readonly symbols: Symbols;
  /** Every row is one sample of its own series. */
  readonly isPlain: boolean;
  /** Rows that cannot be sent, whatever is in them, by reason. */
  readonly dropped: ReadonlyMap<string, Dropped>;
}

export type Planner = (layout: Layout) => Plan;

function addDropped(dropped: Map<string, Dropped>, reason: string, count: number, example: string): void {
  const known = dropped.get(reason);
  if (known === undefined) dropped.set(reason, { count, example });
  else known.count += count;
}

export function createPlanner(options: PlanOptions): Planner {
  const familyOf = createFamilies(options);
  /** Metrics of sources that last: only of those is it worth keeping the labels of their series. */
  const knownMetrics = new WeakSet<Metric>();
  const keptPairs = new WeakMap<Series, Pairs>();

  function pairsOf(series: Series, isKept: boolean): Pairs {
    let pairs = keptPairs.get(series);
    if (pairs !== undefined) return pairs;
    pairs = options.pairs(series);
    if (isKept) keptPairs.set(series, pairs);
    return pairs;
  }

  return perLayout((layout) => {
    const symbols = new Symbols();
    const entries: Entry[] = [];
    const byRow: (Entry | undefined)[] = [];
    const dropped = new Map<string, Dropped>();
    const known = new EntrySet();
    /** Which family each name of samples belongs to. */
    const owners = new Map<string, string>();
    const families = new Map<Metric, { readonly family: Family | string; readonly isKept: boolean }>();

    let metric: Metric | undefined;
    let family: Family | string = 'invalid_name';
    let isKept = false;

    for (let row = 0; row < layout.length; row++) {
      const series = layout[row]!;
      if (series.metric !== metric) {
        metric = series.metric;
        let claimed = families.get(metric);
        if (claimed === undefined) {
          claimed = { family: claim(familyOf(metric), owners), isKept: knownMetrics.has(metric) };
          knownMetrics.add(metric);
          families.set(metric, claimed);
        }
        ({ family, isKept } = claimed);
      }
      if (typeof family === 'string') {
        addDropped(dropped, family, 1, series.metric.name);
        byRow.push(undefined);
        continue;
      }
      const entry = createEntry(series, family, pairsOf(series, isKept), symbols);
      const same = known.add(entry);
      if (same === undefined) {
        entries.push(entry);
        entry.rows.push(row);
        byRow.push(entry);
      } else if (same.series === series || same.series.key === series.key) {
        same.rows.push(row);
        byRow.push(same);
      } else {
        addDropped(dropped, 'duplicate_series', 1, describe(entry));
        byRow.push(undefined);
      }
    }
    const isPlain = entries.every(({ form, rows }) => form === 'number' && rows.length === 1);
    return { entries, byRow, symbols, isPlain, dropped };
  });
}

/** What identifies a series across layouts. */
export function identityOf({ form, name, pairs }: Entry): string {
  return `${form}\0${name}\0${pairs.join('\0')}`;
}

function describe({ name, pairs }: Entry): string {
  const labels = pairs.flatMap((label, i) => (i % 2 === 0 ? `${label}=${JSON.stringify(pairs[i + 1])}` : []));
  return `${name}{${labels.join()}}`;
}

/** Entries by their labels. */
class EntrySet {
  /** By hash; those that share one, one after the other. */
  readonly #byHash = new Map<number, Entry | Entry[]>();

  /** Adds an entry, or returns the one that has the same labels. */
  add(entry: Entry): Entry | undefined {
    const { refs } = entry;
    let hash = refs.length;
    for (let i = 0; i < refs.length; i++) hash = (Math.imul(hash, 31) + refs[i]!) | 0;
    const found = this.#byHash.get(hash);
    if (found === undefined) this.#byHash.set(hash, entry);
    else if (Array.isArray(found)) {
      const same = found.find((one) => hasSameRefs(one, entry));
      if (same !== undefined) return same;
      found.push(entry);
    } else {
      if (hasSameRefs(found, entry)) return found;
      this.#byHash.set(hash, [found, entry]);
    }
    return undefined;
  }
}

function hasSameRefs({ refs: one }: Entry, { refs: other }: Entry): boolean {
  return one.length === other.length && one.every((ref, i) => ref === other[i]);
}

/** What all series of one metric share. */
interface Family {
  readonly name: string;
  readonly form: Form;
  readonly type: PrometheusType;
  readonly help: string;
  readonly unit: string;
}

/** Makes a function from a metric to its family, or to the reason why it has none. */
function createFamilies({ names, native, hasMetadata }: PlanOptions): (metric: Metric) => Family | string {
  const families = new WeakMap<Metric, Family | string>();
  const create = (metric: Metric): Family | string => {
    const translated = translateMetric(metric, names);
    if ('reason' in translated) return translated.reason;
    return {
      name: translated.name,
      form: formOf(metric, native),
      type: typeOf(metric, translated.name),
      help: hasMetadata ? metric.description.toWellFormed() : '',
      unit: hasMetadata ? translateUnit(metric.unit.toWellFormed()) : '',
    };
  };
  return (metric) => {
    let family = families.get(metric);
    if (family === undefined) families.set(metric, (family = create(metric)));
    return family;
  };
}

function formOf({ kind }: Metric, native: PlanOptions['native']): Form {
  switch (kind) {
    case 'gauge':
    case 'sum':
      return 'number';
    case 'summary':
      return 'quantiles';
    case 'histogram':
      return native === 'all' ? 'native' : 'buckets';
    case 'exponential_histogram':
      return native === 'none' ? 'buckets' : 'native';
  }
}

/** The names of all series that a family's points become. */
function sampleNames({ name, form }: Family): readonly string[] {
  if (form === 'buckets') return [`${name}_bucket`, `${name}_sum`, `${name}_count`];
  return form === 'quantiles' ? [name, `${name}_sum`, `${name}_count`] : [name];
}

/** The family if its names are free or its own already, so that no two points of a request are the same sample. */
function claim(family: Family | string, owners: Map<string, string>): Family | string {
  if (typeof family === 'string') return family;
  const names = sampleNames(family);
  const owner = `${family.form} ${family.name}`;
  if (names.some((name) => (owners.get(name) ?? owner) !== owner)) return 'name_conflict';
  for (const name of names) owners.set(name, owner);
  return family;
}

function createEntry(series: Series, family: Family, pairs: Pairs, symbols: Symbols): Entry {
  const { name, form, type, help, unit } = family;
  const nameAt = placeOf('__name__', pairs);
  const refs: number[] = [];
  for (let i = 0; i < nameAt; i++) refs.push(symbols.ref(pairs[i]!));
  refs.push(symbols.ref('__name__'), symbols.ref(name));
  for (let i = nameAt; i < pairs.length; i++) refs.push(symbols.ref(pairs[i]!));
  const edge = form === 'buckets' ? 'le' : 'quantile';
  for (const own of sampleNames(family)) symbols.ref(own);
  return {
    series,
    form,
    rows: [],
    name,
    pairs,
    refs,
    nameAt: nameAt + 1,
    // Both names come after `__name__`.
    edgeAt: placeOf(edge, pairs) + 2,
    type,
    help: symbols.ref(help),
    unit: symbols.ref(unit),
  };
}
