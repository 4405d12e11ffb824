/**
 * Answers scrapes with the latest values, as Prometheus text or OpenMetrics, whichever the scraper prefers.
 *
 * Decisions: values have no timestamps, and a series that ended is simply left out. Exponential histograms become
 * classic ones with powers of two as bounds, for the text formats know no native histograms. Delta sums and histograms
 * are dropped. Series of the agent's own resource have no `job` and `instance` (the scraper adds its own); those of
 * other resources, which arrive through a receiver such as `otlp`, have theirs from `service.*`, as with the
 * OpenTelemetry Collector: let Prometheus keep them with `honor_labels: true`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { definePullExporter, type ComponentLog, type Listener } from '../src/component.ts';
import {
  duration,
  hostPort,
  isLoopbackAddress,
  option,
  optional,
  positiveDuration,
  tlsServer,
} from '../src/config/options.ts';
import { createLabels } from '../src/prometheus/labels.ts';
import { translationOptions } from '../src/prometheus/options.ts';
import { createExposition, type Exposition } from './prometheus/exposition.ts';
import { createCompiler, type Dropped } from './prometheus/families.ts';
import { negotiateEncoding, negotiateFormat, type ContentEncoding } from './prometheus/negotiation.ts';
import { createRenderer } from './prometheus/scrape.ts';
import { createStore, type Source } from './prometheus/store.ts';
import { createTargetInfo } from './prometheus/target_info.ts';

const count = () => v.pipe(v.number(), v.integer(), v.minValue(1));

export default definePullExporter({
  type: 'prometheus',
  about: 'Answers scrapes of Prometheus and whatever else reads its text format or OpenMetrics.',
  signals: ['metrics'],
  config: v.strictObject({
    endpoint: option(hostPort(), 'Where it listens.', '127.0.0.1:9464'),
    path: option(
      v.pipe(v.string(), v.regex(/^\/[\w./~-]*$/, 'a path such as "/metrics"')),
      'The path that answers scrapes.',
      '/metrics',
    ),
    max_age: option(
      duration(),
      'A scrape is answered with values at most this old: receivers whose values are older collect at once.',
      '1s',
    ),
    tls: optional(tlsServer(), 'Answer by HTTPS. The files are read again when they change.'),
    insecure: option(v.boolean(), 'Answer other machines without TLS; anyone who reaches the port can read.', false),
    ...translationOptions,
    constant_labels: option(v.record(v.string(), v.string()), 'Labels that every series gets.', {}),
    created_samples: option(
      v.boolean(),
      'Whether OpenMetrics says since when each counter counts, as a sample _created; read by Prometheus with created-timestamp-zero-ingestion, else it is one more series.',
      false,
    ),
    metric_expiration: option(
      positiveDuration(),
      'A pushed series that is not heard of for so long is left out; so is a receiver that missed three collections.',
      '5m',
    ),
    max_pushed_series: option(count(), 'Most series kept of what is pushed; further ones are dropped.', 100_000),
    max_concurrent_scrapes: option(count(), 'Scrapes under way at once; further ones are answered with 503.', 40),
    compression: option(
      v.picklist(['always', 'remote', 'never']),
      'Whether answers are compressed for scrapers that can read it: always; remote leaves it for those on this machine, where it saves nothing; or never.',
      'always',
    ),
  }),
  create(ctx) {
    const { config, log } = ctx;
    const store = createStore({ expiration_ms: config.metric_expiration, max_pushed: config.max_pushed_series });
    const addTargetInfo = createTargetInfo(ctx.resource);
    const counted = new WeakSet<Source>();
    const renderer = createRenderer(
      ({ kind, escaping }) => {
        const labels = createLabels(
          {
            strategy: config.translation_strategy,
            hasScopeLabels: config.scope_labels,
            promoted: config.resource_attributes,
            constant: config.constant_labels,
            ownResource: ctx.resource,
            isPushed: false,
          },
          escaping,
        );
        const names = { strategy: config.translation_strategy, namespace: config.namespace };
        const compiler = createCompiler({
          names,
          format: { kind, escaping },
          labels,
          hasCreated: config.created_samples,
        });
        return createExposition(compiler, kind);
      },
      (exposition, sources) => countDropped(exposition, sources),
    );
    let listener: Listener | undefined;
    let scrapes = 0;

    /** Counts what a rendering leaves out, once for each batch, and says which it was. */
    function countDropped(exposition: Exposition, sources: readonly Source[]): void {
      for (let i = 0; i < sources.length; i++) {
        const { dropped } = exposition.compiled[i]!;
        const isNew = !counted.has(sources[i]!);
        counted.add(sources[i]!);
        if (dropped.size === 0) continue;
        for (const [reason, what] of dropped) {
          if (isNew) ctx.drop(reason, what.count);
          sayDropped(log, reason, what);
        }
      }
    }

    async function scrape(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const began_ms = performance.now();
      const collecting = ctx.collect(config.max_age);
      // Most receivers have collected by now: a timer and two turns for nothing would be a tenth of the answer's cost.
      const inTime = collecting === undefined || (await withinTime(collecting, timeLimit_ms(request)));
      if (inTime) log.over('late', 'Receivers collect in time for the scrapes again');
      else log.once('late', 'Cannot wait for all receivers: the scrape’s time is nearly up; it gets what is there');
      const now_ms = performance.now();
      const format = negotiateFormat(request.headers.accept);
      // Asking for the sources also ages them, which may change the version.
      const sources = store.sources(now_ms);
      const rendered = renderer.body(
        format,
        contentEncoding(request, config.compression),
        store.version,
        () => (config.target_info ? addTargetInfo(sources) : sources),
        now_ms,
      );
      const body = rendered instanceof Promise ? await rendered : rendered;
      // The scraper may have hung up while its answer was made.
      if (response.closed) return body.done();
      response.once('close', body.done);
      response.writeHead(200, {
        'Content-Type': format.contentType,
        'Content-Length': body.bytes.length,
        ...(body.encoding === 'identity' ? {} : { 'Content-Encoding': body.encoding }),
        Vary: 'Accept, Accept-Encoding',
      });
      response.end(request.method === 'HEAD' ? undefined : body.bytes);
      const points = sources.reduce((sum, { series }) => sum + series.length, 0);
      ctx.answered(points, (performance.now() - began_ms) / 1000);
    }

    async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        refuse(response, 405, `Cannot ${request.method} metrics: only GET and HEAD are answered`, {
          Allow: 'GET, HEAD',
        });
        return;
      }
      if (scrapes >= config.max_concurrent_scrapes) {
        const found = `${scrapes} scrapes are under way, as many as max_concurrent_scrapes allows`;
        refuse(response, 503, `Cannot answer now: ${found}`, { 'Retry-After': '1' });
        return;
      }
      scrapes++;
      response.once('close', () => scrapes--);
      try {
        await scrape(request, response);
        log.over('scrape', 'Scrapes are answered again');
      } catch (error) {
        const found = error instanceof Error ? error.message : String(error);
        log.once('scrape', `Cannot answer a scrape: ${found}`);
        if (response.headersSent) response.destroy();
        else refuse(response, 500, `Cannot answer the scrape: ${found}`, {});
      }
    }

    return {
      consume(batch) {
        if (batch.signal !== 'metrics') return;
        const refused = store.consume(batch, performance.now());
        for (const [reason, rows] of Object.entries(refused)) {
          if (rows === 0) continue;
          ctx.drop(reason, rows);
          log.once(reason, `Cannot serve some pushed series: ${REASONS[reason]}`, { reason, rows });
        }
      },
      async start() {
        const { endpoint, tls, insecure, path } = config;
        listener = await ctx.serve({ endpoint, tls, insecure, routes: { [path]: answer }, hasPage: path !== '/' });
        log.info('Answers scrapes', { url: `${listener.url}${path}` });
      },
      async stop() {
        await listener?.close();
      },
    };
  },
});

const REASONS: Readonly<Record<string, string>> = {
  series_limit: 'there are as many as max_pushed_series allows',
  delta_temporality: 'a scrape cannot carry deltas; have its source send cumulative values, or convert them before',
  duplicate_series:
    'another series has the same name and labels; resource_attributes or scope_labels may tell them apart',
  type_conflict: 'another metric of that name has another type',
  name_conflict: 'a sample of another metric has its name',
  invalid_name: 'nothing of the name is left in Prometheus’ alphabet',
  invalid_point: 'the buckets or quantiles contradict themselves',
};

function sayDropped(log: ComponentLog, reason: string, { count: series, example }: Dropped): void {
  log.once(reason, `Cannot serve ${example}: ${REASONS[reason]}`, { reason, series });
}

/** Milliseconds that a scrape may wait for receivers: Prometheus says how long it waits, and the answer needs some. */
function timeLimit_ms(request: IncomingMessage): number {
  const header = Number(request.headers['x-prometheus-scrape-timeout-seconds']);
  const limit_ms = header > 0 && header < 3600 ? header * 1000 : 10_000;
  return limit_ms - Math.min(500, limit_ms / 5);
}

/** Whether the work was done in time; it goes on in any case, and what it fails with is the caller's. */
async function withinTime(work: Promise<void>, limit_ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, limit_ms, false);
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function contentEncoding(request: IncomingMessage, compression: 'always' | 'remote' | 'never'): ContentEncoding {
  if (compression === 'never' || (compression === 'remote' && isLoopbackAddress(request.socket.remoteAddress)))
    return 'identity';
  return negotiateEncoding(request.headers['accept-encoding'] as string | undefined);
}

function refuse(response: ServerResponse, status: number, text: string, headers: Record<string, string>): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
  response.end(`${text}\n`);
}
