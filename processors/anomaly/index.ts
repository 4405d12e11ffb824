/** Finds series that do not behave as they usually do. */
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { createAnnouncer } from '../../src/anomaly/findings.ts';
import { createReport, type CountedKind } from '../../src/anomaly/report.ts';
import { encodeKept, type Kept, loadKept, saveKept } from '../../src/anomaly/state_file.ts';
import { createWatch, type Happening, type Watch } from '../../src/anomaly/watch.ts';
import { defineProcessor } from '../../src/component.ts';
import { option, optional, positiveDuration, required } from '../../src/config/options.ts';
import { messageOf } from '../../src/errors.ts';
import type { MetricBatch, Series } from '../../src/model/batch.ts';
import { stateDirectory } from '../../src/state_directory.ts';
import { createNameFilter, globs } from '../../src/text/name_filter.ts';
import { metricSelection, selectSeries } from '../../src/text/selection.ts';

const SAVE_INTERVAL_MS = 600_000;
const WARM_UP_SAMPLES = 100;

/**
 * By file, who keeps there what it has learnt: at a reload the successor starts before its predecessor stops, and goes on
 * with what that one knows, not with what it wrote minutes ago.
 */
const keepers = new Map<string, { readonly owner: string; readonly learnt: () => Kept }>();

export default defineProcessor({
  type: 'anomaly',
  about:
    'Learns what is normal for each series, by the time of the day and of the week too, and says when one is not: a spike, a ' +
    'shift of its level, a drift, another variance, a value that is stuck, or a group of series that do not behave together as ' +
    'usual. Everything passes unchanged; anomalies go to the receiver alerts, and sonde.anomaly.rate on in the pipeline.',
  signals: ['metrics'],
  config: v.strictObject({
    ...metricSelection,
    interval: option(
      positiveDuration(),
      'Samples are taken so far apart: of gauges the mean, of counters the rate between them. Each costs about 2 µs.',
      '60s',
    ),
    warm_up: option(
      positiveDuration(),
      'How long a series is learnt before it is judged, and 100 samples at least. The time of the day is used after two days, that of the week after two weeks, where it helps.',
      '2h',
    ),
    sensitivity: option(
      v.pipe(v.number(), v.minValue(0.25), v.maxValue(4)),
      'Divides the thresholds: 2 finds anomalies half as large, and many more that are none.',
      1,
    ),
    adapt_after: option(positiveDuration(), 'What has been different for so long is the new normal.', '2h'),
    max_series: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most series that are watched, histograms as two; each takes less than 4 KiB. Those beyond pass, and are counted.',
      10_000,
    ),
    forget_after: option(positiveDuration(), 'A series of which nothing was heard for so long is forgotten.', '7d'),
    groups: option(
      v.array(
        v.strictObject({
          name: required(v.pipe(v.string(), v.minLength(1)), 'Name of the group.'),
          metrics: required(v.pipe(globs(), v.minLength(1)), 'Names of its metrics, as globs.'),
        }),
      ),
      'Series that are looked at together, the first that fits; the others together with those of the same receiver and resource.',
      [],
    ),
    scores: option(globs(), 'Metrics of which each series gets a sonde.anomaly.score, as globs.', []),
    events_per_minute: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Anomalies told one by one; those beyond are told together.',
      10,
    ),
    keep: option(v.boolean(), 'Whether what was learnt is kept over restarts.', true),
    state_file: optional(
      v.pipe(v.string(), v.minLength(1)),
      'The file that it is kept in; one in the state folder of the agent if left out.',
    ),
  }),
  create({ id, config, next, own, log, board, pipeline, resource }) {
    const select = selectSeries(config);
    const groups = config.groups.map(({ name, metrics }) => ({ name, isIn: createNameFilter(metrics, []) }));
    const hasScore = config.scores.length === 0 ? () => false : createNameFilter(config.scores, []);
    const interval_s = config.interval / 1000;
    const path = resolve(
      config.state_file ?? join(stateDirectory('anomaly'), `${encodeURIComponent(`${pipeline}/${id}`)}.bin`),
    );
    const detected = new Map<CountedKind, number>();
    const announcer = createAnnouncer(config.events_per_minute, (finding) => board.announce(finding));
    let watch = createWatch(watchOptions());
    let report: ((time: bigint) => MetricBatch) | undefined;
    let timers: NodeJS.Timeout[] = [];
    let saving: Promise<void> | undefined;
    let isJudging = false;
    const keeper = { owner: `${pipeline}/${id}`, learnt: () => watch.keep() };

    function watchOptions() {
      return {
        interval_s,
        warmUp_s: config.warm_up / 1000,
        warmUp_samples: WARM_UP_SAMPLES,
        sensitivity: config.sensitivity,
        adapt_s: config.adapt_after / 1000,
        maxSeries: config.max_series,
        forget_s: config.forget_after / 1000,
        isMeant: (series: Series) => select(series) === true,
        groupOf,
      };
    }

    function groupOf({ metric, scope, resource: of }: Series): string | undefined {
      const configured = groups.find(({ isIn }) => isIn(metric.name));
      if (configured !== undefined) return configured.name;
      if (scope.name === '') return undefined;
      const host = of.attributes['host.name'];
      return of === resource || typeof host !== 'string' ? scope.name : `${scope.name} ${host}`;
    }

    function tell(happenings: readonly Happening[]): void {
      for (const happening of happenings) {
        if (happening.outcome === 'began') {
          const kind = happening.group === undefined ? happening.model.kind : 'group';
          detected.set(kind, (detected.get(kind) ?? 0) + 1);
        }
        announcer.announce(happening);
      }
    }

    function claimFile(): void {
      const owner = keepers.get(path)?.owner ?? keeper.owner;
      if (owner === keeper.owner) return;
      throw new Error(`Cannot keep what was learnt in "${path}": that of ${owner} is there`);
    }

    function load(): void {
      let kept: Kept | undefined;
      try {
        kept = keepers.get(path)?.learnt() ?? loadKept(path);
      } catch (error) {
        log.warn(`${messageOf(error)}; all series are learnt anew`, { file: path });
      }
      if (kept !== undefined && kept.interval_s !== interval_s) {
        log.info('What was learnt is for another interval: all series are learnt anew', { file: path });
        kept = undefined;
      }
      if (kept !== undefined) watch = createWatch(watchOptions(), kept);
    }

    function save(): Promise<void> {
      saving ??= saveNow(watch).finally(() => {
        saving = undefined;
      });
      return saving;
    }

    async function saveNow(of: Watch): Promise<void> {
      const kept = of.keep();
      if (kept.series.length === 0) return;
      try {
        await saveKept(path, encodeKept(kept));
        log.over('save', 'What was learnt can be kept again');
      } catch (error) {
        log.once('save', `Cannot keep what was learnt: ${messageOf(error)}; a restart would learn anew`);
      }
    }

    async function emit(): Promise<void> {
      if (watch.size === 0) return;
      tell(watch.sweep());
      announcer.flush(Date.now());
      sayState();
      try {
        await own.consume(report!(BigInt(Date.now()) * 1_000_000n));
        log.over('emit', 'Figures of anomalies are taken again');
      } catch (error) {
        // The next ones say the same anew; nobody waits for these.
        log.once('emit', `Cannot hand on figures of anomalies: ${messageOf(error)}`);
      }
    }

    function sayState(): void {
      if (watch.overflow > 0) {
        log.once('overflow', 'More series than max_series: those beyond are not watched', { limit: config.max_series });
      }
      if (isJudging) return;
      for (const { model } of watch.watched) isJudging ||= model.isReady;
      if (isJudging) log.info('The first series are known well enough: anomalies are told from now on');
    }

    return {
      consume(batch) {
        if (batch.signal === 'metrics' && batch.collection?.onDemand !== true) tell(watch.take(batch));
        return next.consume(batch);
      },
      start() {
        if (config.keep) {
          claimFile();
          load();
          keepers.set(path, keeper);
        }
        report = createReport({
          watch,
          resource,
          startTime: BigInt(Date.now()) * 1_000_000n,
          detected,
          collection: { receiver: id },
          hasScore,
        });
        log.info('Learning what is normal: anomalies are told of series that are known for a while', {
          warm_up_s: config.warm_up / 1000,
          kept_series: watch.keep().series.length,
        });
        timers = [setInterval(() => void emit(), config.interval)];
        if (config.keep) timers.push(setInterval(() => void save(), SAVE_INTERVAL_MS));
        for (const timer of timers) timer.unref();
      },
      async stop() {
        for (const timer of timers) clearInterval(timer);
        timers = [];
        // What is being written may be older.
        await saving;
        if (!config.keep || (keepers.has(path) && keepers.get(path) !== keeper)) return;
        keepers.delete(path);
        await save();
      },
    };
  },
});
