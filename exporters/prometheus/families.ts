/** Series of a source as lines of an exposition, metric by metric. */
import type { Metric, Series } from '../../src/model/batch.ts';
import { canonicalNumber } from '../../src/prometheus/canonical_number.ts';
import { flatten, hasSameLines, type Distribution } from '../../src/prometheus/distributions.ts';
import type { Labels } from '../../src/prometheus/labels.ts';
import { escapeName, isLegacyMetricName, translateUnit, type NameOptions } from '../../src/prometheus/names.ts';
import { translateMetric, typeOf, type PrometheusType } from '../../src/prometheus/metrics.ts';
import { Block } from './block.ts';
import { counterExemplar, bucketExemplars } from './exemplars.ts';
import { labelsText, labelText, sampleText } from './label_text.ts';
import type { Format } from './negotiation.ts';
import { secondsText } from './numbers.ts';
import type { Source } from './store.ts';

/** What all series of one metric family share. */
export interface FamilyHead {
  /** Name in `# TYPE`; in OpenMetrics without the `_total` of a counter and the `_info` of an info. */
  readonly family: string;
  /** Name of its samples, without the suffixes of histograms and summaries. */
  readonly sample: string;
  readonly type: PrometheusType;
  readonly help: string;
  /** As a word, as `seconds`; '' for none. */
  readonly unit: string;
}

/** Lines of one family from one source. */
export interface Lines {
  readonly head: FamilyHead;
  readonly rows: readonly number[];
  /** Of each row: the text that no other row of the family may have. */
  readonly keys: readonly string[];
  readonly block: Block;
  /** Of histograms and summaries: what each row's lines were made for. */
  readonly shapes: readonly Distribution[] | undefined;
}

export interface Dropped {
  count: number;
  /** One of the names, to show. */
  readonly example: string;
}

/** A source in lines. */
export interface Compiled {
  readonly series: readonly Series[];
  lines: Lines[];
  /** By reason. */
  readonly dropped: Map<string, Dropped>;
}

export interface CompilerOptions {
  readonly names: NameOptions;
  readonly format: Pick<Format, 'kind' | 'escaping'>;
  readonly labels: Labels;
  /** Whether OpenMetrics gets `_created` samples. */
  readonly hasCreated: boolean;
}

export interface Compiler {
  compile(source: Source): Compiled;
  /** The same lines for fewer rows. */
  restrict(lines: Lines, source: Source, rows: readonly number[]): Lines;
  /** Whether the lines still are what the source's points need. */
  fits(lines: Lines, source: Source): boolean;
  /** Puts the source's values into the lines, which must fit. */
  fill(lines: Lines, source: Source): void;
}

export function drop(dropped: Map<string, Dropped>, reason: string, count: number, example: string): void {
  const known = dropped.get(reason);
  if (known === undefined) dropped.set(reason, { count, example });
  else known.count += count;
}

export function createCompiler({ names, format, labels, hasCreated }: CompilerOptions): Compiler {
  const isOpenMetrics = format.kind === 'openmetrics';
  const heads = new WeakMap<Metric, FamilyHead | { readonly reason: string }>();
  const labelsOf = new WeakMap<Series, string>();
  const samplesOf = new WeakMap<Series, string>();

  function headOf(metric: Metric): FamilyHead | { readonly reason: string } {
    let head = heads.get(metric);
    if (head === undefined) heads.set(metric, (head = createHead(metric, names, format)));
    return head;
  }

  function textOf(series: Series): string {
    let text = labelsOf.get(series);
    if (text === undefined) labelsOf.set(series, (text = labelsText(labels.of(series))));
    return text;
  }

  /** Name and labels of a series without the suffixes and labels of its lines: what identifies it. */
  function keyOf(series: Series, head: FamilyHead): string {
    let text = samplesOf.get(series);
    if (text === undefined) samplesOf.set(series, (text = sampleText(head.sample, textOf(series))));
    return text;
  }

  function createLines(head: FamilyHead, source: Source, rows: readonly number[], keys: readonly string[]): Lines {
    const isDistribution = head.type === 'histogram' || head.type === 'summary';
    const shapes = isDistribution ? rows.map((row) => flatten(source.points![row]!)!) : undefined;
    const texts: string[] = [];
    let before = '';
    for (let i = 0; i < rows.length; i++) {
      const series = source.series[rows[i]!]!;
      const samples = shapes === undefined ? [keys[i]!] : distributionSamples(head, textOf(series), shapes[i]!);
      for (const sample of samples) {
        texts.push(`${before}${sample} `);
        before = '\n';
      }
      before = `\n${createdLine(head, series)}`;
    }
    texts.push(before);
    return { head, rows, keys, block: new Block(texts), shapes };
  }

  function createdLine(head: FamilyHead, series: Series): string {
    const isCumulative = head.type === 'counter' || head.type === 'histogram' || head.type === 'summary';
    if (!isOpenMetrics || !hasCreated || !isCumulative || series.startTime === 0n) return '';
    return `${sampleText(`${head.family}_created`, textOf(series))} ${secondsText(series.startTime)}\n`;
  }

  function distributionSamples(head: FamilyHead, text: string, shape: Distribution): string[] {
    const isHistogram = head.type === 'histogram';
    const edgeName = isHistogram ? `${head.sample}_bucket` : head.sample;
    const edges = isHistogram ? [...shape.edges, Infinity] : shape.edges;
    const samples = edges.map((edge) => {
      const label = labelText(isHistogram ? 'le' : 'quantile', canonicalNumber(edge, isOpenMetrics));
      return sampleText(edgeName, text === '' ? label : `${text},${label}`);
    });
    if (shape.sum !== undefined) samples.push(sampleText(`${head.sample}_sum`, text));
    if (hasCount(shape, isHistogram)) samples.push(sampleText(`${head.sample}_count`, text));
    return samples;
  }

  /** In OpenMetrics a histogram has a count "if and only if" it has a sum. */
  function hasCount(shape: Distribution, isHistogram: boolean): boolean {
    return !isOpenMetrics || !isHistogram || shape.sum !== undefined;
  }

  return {
    compile(source) {
      const dropped = new Map<string, Dropped>();
      const groups = new Map<string, Group>();
      const groupOf = new Map<Metric, Group | string>();
      let metric: Metric | undefined;
      let group: Group | string | undefined;
      for (let row = 0; row < source.series.length; row++) {
        const series = source.series[row]!;
        if (series.metric !== metric) {
          metric = series.metric;
          group = groupOf.get(metric);
          if (group === undefined) groupOf.set(metric, (group = groupFor(headOf(metric), groups)));
        }
        if (typeof group !== 'object') {
          drop(dropped, group!, 1, series.metric.name);
          continue;
        }
        if (group.isDistribution && !isValid(source, row)) {
          drop(dropped, 'invalid_point', 1, series.metric.name);
          continue;
        }
        const key = keyOf(series, group.head);
        if (group.keys.has(key)) {
          drop(dropped, 'duplicate_series', 1, key);
          continue;
        }
        group.keys.add(key);
        group.rows.push(row);
      }
      const lines: Lines[] = [];
      for (const { head, rows, keys } of groups.values()) {
        if (rows.length > 0) lines.push(createLines(head, source, rows, [...keys]));
      }
      return { series: source.series, lines, dropped };
    },

    restrict({ head }, source, rows) {
      const keys = rows.map((row) => keyOf(source.series[row]!, head));
      return createLines(head, source, rows, keys);
    },

    fits({ rows, shapes }, source) {
      if (shapes === undefined) return true;
      return rows.every((row, i) => {
        const point = source.points?.[row];
        const distribution = point && flatten(point);
        return distribution !== undefined && hasSameLines(distribution, shapes[i]!);
      });
    },

    fill({ head, rows, block, shapes }, source) {
      const next = block.next;
      if (shapes === undefined) {
        for (let i = 0; i < rows.length; i++) next[i] = source.values[rows[i]!]!;
        if (isOpenMetrics && head.type === 'counter' && source.exemplars !== undefined) {
          block.tails = rows.map((row) => counterExemplar(source.exemplars?.[row], labels));
        } else block.tails = undefined;
        return;
      }
      const isHistogram = head.type === 'histogram';
      const tails: (string | undefined)[] | undefined =
        isOpenMetrics && isHistogram && source.exemplars !== undefined ? [] : undefined;
      let slot = 0;
      for (const row of rows) {
        const distribution = flatten(source.points![row]!)!;
        if (tails !== undefined) {
          for (const [i, tail] of bucketExemplars(source.exemplars?.[row], distribution.edges, labels)) {
            tails[slot + i] = tail;
          }
        }
        for (const value of distribution.values) next[slot++] = value;
        if (isHistogram) next[slot++] = distribution.count;
        if (distribution.sum !== undefined) next[slot++] = distribution.sum;
        if (hasCount(distribution, isHistogram)) next[slot++] = distribution.count;
      }
      block.tails = tails;
    },
  };
}

/** The rows of a source that are of one family. */
interface Group {
  readonly head: FamilyHead;
  readonly isDistribution: boolean;
  readonly rows: number[];
  readonly keys: Set<string>;
}

/** Metrics of one name and type share a group. For those that cannot be served, the reason. */
function groupFor(head: FamilyHead | { readonly reason: string }, groups: Map<string, Group>): Group | string {
  if ('reason' in head) return head.reason;
  const id = `${head.type} ${head.sample}`;
  let group = groups.get(id);
  if (group === undefined) {
    const isDistribution = head.type === 'histogram' || head.type === 'summary';
    groups.set(id, (group = { head, isDistribution, rows: [], keys: new Set() }));
  }
  return group;
}

function isValid(source: Source, row: number): boolean {
  const point = source.points?.[row];
  return point !== undefined && flatten(point) !== undefined;
}

function createHead(
  metric: Metric,
  names: NameOptions,
  { kind, escaping }: Pick<Format, 'kind' | 'escaping'>,
): FamilyHead | { readonly reason: string } {
  const translated = translateMetric(metric, names);
  if ('reason' in translated) return translated;
  const sample = escapeName(translated.name, escaping, isLegacyMetricName);
  const type = typeOf(metric, sample);
  const help = metric.description.toWellFormed();
  if (kind === 'text') return { family: sample, sample, type, help, unit: '' };
  const suffix = type === 'counter' ? '_total' : type === 'info' ? '_info' : '';
  // A counter must end in _total in OpenMetrics; one that does not is said to be of unknown type, as in client_golang.
  const isNamed = sample.endsWith(suffix) && sample.length > suffix.length;
  const family = isNamed ? sample.slice(0, sample.length - suffix.length) : sample;
  const unit = translateUnit(metric.unit);
  return {
    family,
    sample,
    type: isNamed ? type : 'unknown',
    help,
    unit: unit !== '' && family.endsWith(`_${unit}`) ? unit : '',
  };
}
