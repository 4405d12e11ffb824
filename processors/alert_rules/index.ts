/** Evaluates Prometheus' rule files and thresholds on the metrics that pass, which it hands on as they are. */
import { join, resolve } from 'node:path';
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { duration, option, optional, positiveDuration, size } from '../../src/config/options.ts';
import { ConfigError } from '../../src/errors.ts';
import { createDispatcher, type Dispatcher } from '../../src/notify/dispatcher.ts';
import { notifierOptions } from '../../src/notify/options.ts';
import { createPositionFile } from '../../src/position_file.ts';
import { translationOptions } from '../../src/prometheus/options.ts';
import type { RuleSample } from '../../src/rules/evaluation.ts';
import { thresholdSchema } from '../../src/rules/thresholds.ts';
import { systemClock } from '../../src/scheduler.ts';
import { stateDirectory } from '../../src/state_directory.ts';
import type { SeriesStore } from '../../src/store/series_store.ts';
import { createStore } from '../../src/store/series_store.ts';
import { createAsk } from './asking.ts';
import type { Emitter } from './emitter.ts';
import { publishFigures } from './figures.ts';
import { copyHistory } from './history.ts';
import { createJudging } from './judging.ts';
import { createKeeping } from './keeping.ts';
import { fingerprintOf, groupsOf, readRules } from './rule_files.ts';
import { createSeats } from './seats.ts';
import { needsOf, whatDoesNotFit } from './selection.ts';
import { keptAlerts, parseKeptAlerts, type Memories } from './state_file.ts';

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));

/** What a processor leaves to the one that a reload makes of its new configuration. */
interface Legacy {
  readonly store: SeriesStore;
  /** Equal for stores that hold the same. */
  readonly storeKey: string;
  readonly memories: Memories;
  readonly notifier: Dispatcher;
  readonly emitters: ReadonlyMap<string, Emitter>;
}

const seats = createSeats<Legacy>();
/** Which processor of which pipeline keeps its alerts in a file. */
const owners = new Map<string, string>();

export default defineProcessor({
  type: 'alert_rules',
  about:
    'Evaluates Prometheus’ rule files, unchanged, and thresholds on the metrics that pass, which go on as they are. Alerts become events ' +
    '(receiver alerts), notifications, and the series ALERTS and ALERTS_FOR_STATE, which go on in the pipeline as recorded ' +
    'series do. Alerts outlive restarts and reloads.',
  signals: ['metrics'],
  config: v.strictObject({
    rule_files: option(
      v.array(v.pipe(v.string(), v.minLength(1, 'a path'))),
      'Rule files of Prometheus, files of Drools that end in .drl, or globs; read again at each reload.',
      [],
    ),
    thresholds: option(
      v.array(thresholdSchema),
      'The short form of rules: limits of one metric each, with hysteresis if wanted.',
      [],
    ),
    evaluation_interval: option(positiveDuration(), 'How often groups are evaluated that do not say it.', '15s'),
    query_offset: option(duration(), 'How far back groups look that do not say it: for metrics that come late.', '0'),
    lookback: option(
      positiveDuration(),
      'How old the newest value of a series may be to count as its present one.',
      '5m',
    ),
    external_labels: option(
      v.record(v.string(), v.string()),
      'Labels of this agent: added to alerts that notifiers are told of, and known to templates as $externalLabels.',
      {},
    ),
    external_url: option(
      v.union([v.literal(''), v.pipe(v.string(), v.regex(/^https?:\/\//, 'an http:// or https:// URL'))]),
      'Where people reach a Prometheus that knows these metrics: links of alerts begin with it.',
      '',
    ),
    resend_delay: option(positiveDuration(), 'Shortest time between two notifications of an alert that fires.', '1m'),
    max_alerts: option(count(1), 'Most alerts of a rule whose group has no limit; with more the rule fails.', 2000),
    limits: option(
      v.strictObject({
        time: option(positiveDuration(), 'A rule that takes longer fails.', '500ms'),
        samples: option(count(1), 'Most samples that a query may read.', 5_000_000),
        series: option(count(1), 'Most series that a query may select.', 20_000),
      }),
      'What a single rule may take.',
      {},
    ),
    history: option(
      v.strictObject({
        max_bytes: option(size(), 'Most memory of the samples that rules look back on; the oldest make room.', '32MiB'),
        max_series: option(
          count(1),
          'Most series that are kept; further ones are counted, and rules do not see them.',
          50_000,
        ),
        max_lookback: option(positiveDuration(), 'A rule that looks back further is refused.', '24h'),
      }),
      'Only series that rules select are kept, and as long as rules look back.',
      {},
    ),
    state_file: optional(
      v.pipe(v.string(), v.minLength(1, 'a path')),
      'Where alerts are kept across restarts; STATE_DIRECTORY/alerts if left out, without that /var/lib/sonde/alerts for root and ~/.local/state/sonde/alerts for others.',
    ),
    notifiers: notifierOptions,
    ...translationOptions,
  }),
  check(config) {
    const { files, problems } = readRules(config);
    if (problems.length > 0) return problems;
    return whatDoesNotFit(groupsOf(files), needsOptions(config), config);
  },
  fingerprint: (config) => fingerprintOf(config.rule_files),
  create({ id, config, next, own, log, board, resource, http, pipeline }) {
    const { files, problems, lints } = readRules(config);
    if (problems.length > 0) throw new ConfigError(problems);
    const groups = groupsOf(files);
    const needs = needsOf(groups, needsOptions(config));
    const name = `${pipeline}/${id}`;
    const storeKey = JSON.stringify([
      needs.select,
      needs.retention_ms,
      config.history,
      Object.keys(translationOptions).map((key) => config[key as keyof typeof translationOptions]),
      resource,
    ]);
    let store = createStore({
      retention_ms: needs.retention_ms,
      max_bytes: config.history.max_bytes,
      max_series: config.history.max_series,
      select: needs.select,
      translation: {
        strategy: config.translation_strategy,
        namespace: config.namespace,
        hasScopeLabels: config.scope_labels,
        promoted: config.resource_attributes,
        hasTargetInfo: config.target_info,
        ownResource: resource,
      },
      log,
    });
    const refused = new Map<string, number>();
    const refuse = (reason: string, samples: number): void => {
      refused.set(reason, (refused.get(reason) ?? 0) + samples);
      if (reason === 'series_limit' || reason === 'byte_limit') {
        log.once(reason, `Cannot keep all series that rules select: ${LIMITS[reason]}; rules do not see the others`);
      }
    };
    const notifier = createDispatcher({
      id: name,
      path: `processors.${id}.notifiers`,
      notifiers: config.notifiers,
      http,
      log,
      board,
      resource,
    });
    const file = createPositionFile({
      path: resolve(config.state_file ?? join(stateDirectory('alerts'), `${encodeURIComponent(name)}.json`)),
      parse: parseKeptAlerts,
      log,
      words: {
        what: 'state of alerts',
        withoutIt: 'alerts begin anew',
        unkept: 'a restart would forget what has changed',
      },
    });
    const keeping = createKeeping(() => file.save(keptAlerts(judging.memories())));
    const judging = createJudging({
      id,
      instance: String(resource.attributes['service.instance.id'] ?? ''),
      groups,
      group: {
        interval_ms: config.evaluation_interval,
        queryOffset_ms: config.query_offset,
        externalLabels: new Map(Object.entries(config.external_labels)),
        externalURL: config.external_url,
        resendDelay_ms: config.resend_delay,
        maxAlerts: config.max_alerts,
        ruleTime_ms: config.limits.time,
      },
      ask: createAsk({ select: (...selection) => store.select(...selection) }, config.lookback, {
        time_ms: config.limits.time,
        samples: config.limits.samples,
        series: config.limits.series,
      }),
      append: ({ labels, time_ms, value }: RuleSample) => store.append(labels, time_ms, value),
      clock: systemClock,
      next: own,
      board,
      notifier,
      resource,
      log,
      onEvaluated: (hasChanged) => keeping.evaluated(hasChanged, isAnyActive()),
    });
    const isAnyActive = (): boolean => judging.figures().some(({ pending, firing }) => pending + firing > 0);
    let withdraw: (() => void)[] = [];
    function work(): void {
      withdraw = [
        board.add({ id: name, groups: judging.status }),
        publishFigures(metrics.getMeter('sonde.rules'), name, {
          groups: judging.figures,
          store: () => store.figures(),
          refused,
        }),
      ];
      judging.start();
    }
    async function rest(): Promise<void> {
      for (const each of withdraw.splice(0)) each();
      await judging.pause();
      keeping.stop();
    }
    const sitter = {
      async rise() {
        await rest();
        return { store, storeKey, notifier, memories: judging.memories(), emitters: judging.emitters };
      },
      resume: work,
    };
    function claimFile(): void {
      const owner = owners.get(file.path);
      if (owner !== undefined && owner !== name) {
        throw new Error(`Cannot keep alerts in "${file.path}": those of ${owner} are there`);
      }
      owners.set(file.path, name);
    }
    /** @returns whether nobody evaluates in its place */
    function leave(): boolean {
      const isLast = seats.leave(board, name, sitter);
      if (isLast && owners.get(file.path) === name) owners.delete(file.path);
      return isLast;
    }
    async function goOn(legacy: Legacy | undefined): Promise<void> {
      if (legacy === undefined) {
        const kept = file.load();
        if (kept !== undefined) judging.restore(kept.memories);
      } else {
        if (legacy.storeKey === storeKey) store = legacy.store;
        else await copyHistory(legacy.store, store, needs.retention_ms, Date.now());
        judging.takeOver(legacy.memories, legacy.emitters);
        notifier.takeOver(legacy.notifier);
      }
    }
    for (const { message } of lints) log.warn(message);
    return {
      consume(batch) {
        if (batch.signal === 'metrics') for (const [reason, samples] of store.consume(batch)) refuse(reason, samples);
        return next.consume(batch);
      },
      async start() {
        claimFile();
        const legacy = await seats.sit(board, name, sitter);
        try {
          await goOn(legacy);
        } catch (error) {
          leave();
          throw error;
        }
        notifier.start();
        work();
      },
      async stop() {
        await rest();
        if (leave()) {
          keeping.write();
          await judging.clear();
        }
        await notifier.stop();
      },
    };
  },
});

const LIMITS: Readonly<Record<string, string>> = {
  series_limit: 'there are more than history.max_series',
  byte_limit: 'they need more than history.max_bytes',
};

function needsOptions(config: { readonly lookback: number; readonly query_offset: number }) {
  return { lookback_ms: config.lookback, queryOffset_ms: config.query_offset };
}
