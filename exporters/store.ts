/**
 * Keeps recent history of the metrics that come, and answers for it as Prometheus does: Grafana takes an agent for a
 * Prometheus. Beside it are the alerts of the agent, and the part of Alertmanager's API that silences them.
 */
import { resolve } from 'node:path';
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { definePullExporter, type Listener } from '../src/component.ts';
import { hostPort, option, optional, positiveDuration, size, tlsServer } from '../src/config/options.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { alertmanagerRoutes } from '../src/notify/alertmanager_routes.ts';
import { translationOptions } from '../src/prometheus/options.ts';
import { createStore, type Refusal, type SeriesStore } from '../src/store/series_store.ts';
import { apiRoutes } from './store/api.ts';
import { publishFigures } from './store/figures.ts';
import { inheritStore, leaveStore } from './store/inheritance.ts';
import { createTurns } from './store/turns.ts';

const count = (least = 1) => v.pipe(v.number(), v.integer(), v.minValue(least));

export default definePullExporter({
  type: 'store',
  about:
    'Keeps the last hour of the metrics, and answers Prometheus’ HTTP API for them: for Grafana, `sonde query` and ' +
    'whatever else asks PromQL. Alerts can be seen and silenced there.',
  signals: ['metrics'],
  config: v.strictObject({
    endpoint: option(hostPort(), 'Where it listens; exporters with the same endpoint share it.', '127.0.0.1:9464'),
    tls: optional(tlsServer(), 'Answer by HTTPS. The files are read again when they change.'),
    insecure: option(v.boolean(), 'Answer other machines without TLS; anyone who reaches the port can read.', false),
    allowed_origins: option(
      v.array(v.pipe(v.string(), v.regex(/^https?:\/\/[^\s/*]+$/, 'an origin such as "https://grafana.example:3000"'))),
      'Sites whose pages may ask it in the browsers of people, beside pages of this endpoint itself. Grafana’s server needs none.',
      [],
    ),
    remote_silences: option(v.boolean(), 'Whether other machines may change silences, and not only look.', false),
    retention: option(positiveDuration(), 'How long samples are kept.', '1h'),
    max_bytes: option(size(), 'Most memory of the history; the oldest makes room.', '32MiB'),
    max_series: option(count(), 'Most series that are kept; samples of further ones are dropped.', 50_000),
    directory: optional(
      v.pipe(v.string(), v.minLength(1, 'a path')),
      'Folder, of this exporter alone, that keeps the history across restarts; it is in memory alone if left out.',
    ),
    lookback: option(positiveDuration(), 'How old a value may be that stands for a moment.', '5m'),
    limits: option(
      v.strictObject({
        time: option(positiveDuration(), 'Longest time of a query: nothing else happens in the agent meanwhile.', '1s'),
        samples: option(count(), 'Most samples that a query may read, make and answer with.', 5_000_000),
        series: option(count(), 'Most series that a query may select.', 20_000),
        response_bytes: option(
          v.pipe(
            size(),
            v.check((bytes) => bytes >= 1024, 'at least 1KiB'),
          ),
          'Longest answer.',
          '32MiB',
        ),
        waiting: option(count(), 'Most queries that wait for their turn; further ones are answered with 503.', 20),
      }),
      'What a single query may take; one that takes more is ended, and the answer says where.',
      {},
    ),
    ...translationOptions,
    constant_labels: option(v.record(v.string(), v.string()), 'Labels that every series gets.', {}),
  }),
  create(ctx) {
    const { config, log, id, board } = ctx;
    const directory = config.directory === undefined ? undefined : resolve(config.directory);
    const storeOptions = {
      retention_ms: config.retention,
      max_bytes: config.max_bytes,
      max_series: config.max_series,
      translation: {
        strategy: config.translation_strategy,
        namespace: config.namespace,
        hasScopeLabels: config.scope_labels,
        promoted: config.resource_attributes,
        constant: config.constant_labels,
        ownResource: ctx.resource,
        hasTargetInfo: config.target_info,
      },
    };
    const made = JSON.stringify(storeOptions);
    const turns = createTurns(config.limits.waiting);
    let store: SeriesStore | undefined;
    let opening: Promise<void> | undefined;
    let listener: Listener | undefined;
    let withdraw = (): void => {};

    function take(batch: MetricBatch): void {
      if (store === undefined) return ctx.drop('not_open', batch.count);
      for (const [reason, samples] of store.consume(batch)) {
        ctx.drop(reason, samples);
        const why = REASONS[reason];
        if (why !== undefined) log.once(reason, `Cannot keep some samples: ${why}`, { reason, samples });
      }
    }

    /** Of memory, it may be there already: its predecessor's. */
    async function open(): Promise<void> {
      const inherited = directory === undefined ? inheritStore(board, id, made) : undefined;
      const opened = inherited ?? createStore({ ...storeOptions, directory, log });
      if (inherited === undefined) await opened.open();
      store = opened;
    }

    return {
      consume(batch) {
        if (batch.signal !== 'metrics') return;
        if (store !== undefined || opening === undefined) return take(batch);
        // Where it cannot be opened its start says so.
        return opening.then(
          () => take(batch),
          () => take(batch),
        );
      },
      async start() {
        opening = open();
        await opening;
        const opened = store!;
        const figures = publishFigures(
          metrics.getMeter('sonde.exporter.store'),
          id,
          () => opened.figures(),
          () => turns.waiting,
        );
        withdraw = figures.withdraw;
        const routes = {
          ...apiRoutes({
            store: opened,
            board,
            turns,
            lookback_ms: config.lookback,
            limits: config.limits,
            log,
            counted(request) {
              figures.counted(request);
              ctx.answered(request.samples, request.duration_s);
              if (request.endpoint === 'query' || request.endpoint === 'query_range') ctx.watched();
            },
          }),
          ...alertmanagerRoutes(board, { allowsRemoteChanges: config.remote_silences }),
        };
        const { endpoint, tls, insecure, allowed_origins: origins } = config;
        try {
          listener = await ctx.serve({ endpoint, tls, insecure, origins, routes, hasPage: true });
        } catch (error) {
          // It may be tried again.
          await close();
          throw error;
        }
        log.info('Answers PromQL', {
          url: `${listener.url}/api/v1`,
          series: opened.figures().series,
          samples: opened.figures().samples,
        });
      },
      async stop() {
        // Its queries first: the listener waits for requests under way.
        turns.close();
        await listener?.close();
        await close();
      },
    };

    async function close(): Promise<void> {
      withdraw();
      const closing = store;
      store = undefined;
      if (closing === undefined) return;
      if (directory === undefined) leaveStore(board, id, closing, made);
      await closing.close();
    }
  },
});

/** Of full stores the store speaks itself. */
const REASONS: Readonly<Partial<Record<Refusal, string>>> = {
  delta_temporality: 'Prometheus adds nothing up; have their source send cumulative values, or convert them before',
  invalid_name: 'nothing of the name is left in Prometheus’ alphabet',
  invalid_point: 'the buckets or quantiles contradict themselves',
  out_of_order: 'they are older than the last one of their series',
  duplicate_time: 'they have the time of the last one of their series, and another value',
  too_old: 'they are older than the retention',
  too_far_ahead: 'they are more than ten minutes ahead of the clock',
};
