/**
 * Sends metrics by Prometheus remote write. What waits in the queue is always remote write 2.0, the smaller of the two;
 * 1.0 is made of it when it is sent, so nothing that waits is lost when a back end turns out to know only that.
 *
 * Decisions: names and labels are those of the exporter `prometheus`, but every series has `job` and `instance`, for
 * nobody is there to add them. `target_info` and the stale markers of what vanished unsaid travel in requests of their
 * own, which count no points: a back end that refuses one of them refuses nothing that was measured.
 */
import * as v from 'valibot';
import { definePushExporter, type Payload } from '../src/component.ts';
import { httpClient, httpClientOptions } from '../src/config/http_client.ts';
import { option, size } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import { NO_RECORDED_VALUE, type MetricBatch, type Series } from '../src/model/batch.ts';
import { createLabels } from '../src/prometheus/labels.ts';
import { translationOptions } from '../src/prometheus/options.ts';
import { createEdgeMemory } from './prometheusremotewrite/edges.ts';
import { createEncoder } from './prometheusremotewrite/encode.ts';
import { createPairs } from './prometheusremotewrite/label_pairs.ts';
import { createPlanner } from './prometheusremotewrite/plan.ts';
import { splitRequest, splitToSize } from './prometheusremotewrite/split.ts';
import { createTargets } from './prometheusremotewrite/targets.ts';
import { createTransport, VERSION_HEADER, VERSION_NUMBERS, type Version } from './prometheusremotewrite/transport.ts';
import { createVanishedTracker } from './prometheusremotewrite/vanished.ts';

/** Series of histograms and summaries whose buckets are remembered, ends that are, and targets. */
const MOST_REMEMBERED = 10_000;

export default definePushExporter({
  type: 'prometheusremotewrite',
  about: 'Sends metrics by remote write 2.0 or 1.0: to Prometheus, Mimir, Thanos, VictoriaMetrics and the like.',
  signals: ['metrics'],
  config: v.strictObject({
    endpoint: option(
      v.pipe(v.string(), v.minLength(1, 'a URL')),
      'Where to; Prometheus takes it if it was started with --web.enable-remote-write-receiver.',
      'http://127.0.0.1:9090/api/v1/write',
    ),
    protocol: option(
      v.pipe(
        v.union([v.picklist(['auto', '2.0', '1.0']), v.picklist([2, 1])], '"auto", 2.0 or 1.0'),
        v.transform((given) => (given === 2 ? '2.0' : given === 1 ? '1.0' : given)),
      ),
      'Version of remote write: auto sends 2.0, and 1.0 as long as the back end turns out to know only that.',
      'auto',
    ),
    ...httpClientOptions,
    ...translationOptions,
    external_labels: option(
      v.record(v.string(), v.string()),
      'Labels that every series gets which has none of that name.',
      {},
    ),
    native_histograms: option(
      v.picklist(['exponential', 'all', 'none']),
      'Which histograms become native ones, which the back end must be able to take: exponential ones, all, or none; the others become a series for each bucket.',
      'exponential',
    ),
    exemplars: option(v.boolean(), 'Whether exemplars go along.', true),
    metadata: option(v.boolean(), 'Whether help and unit go along; the type always does in 2.0.', true),
    max_request_bytes: option(size(), 'Larger requests are split, before compression.', '4MiB'),
  }),
  create({ id, config, log, http, drop, resource }) {
    const { max_request_bytes, metadata, queue } = config;
    const labels = createLabels(
      {
        strategy: config.translation_strategy,
        hasScopeLabels: config.scope_labels,
        promoted: config.resource_attributes,
        constant: {},
        ownResource: resource,
        isPushed: true,
      },
      'allow-utf-8',
    );
    const planOf = createPlanner({
      names: { strategy: config.translation_strategy, namespace: config.namespace },
      pairs: createPairs(labels, config.external_labels),
      native: config.native_histograms,
      hasMetadata: metadata,
    });
    const edges = createEdgeMemory(MOST_REMEMBERED);
    const shared = { plan: planOf, labels, edges, hasExemplars: config.exemplars };
    const encodeBatch = createEncoder({ ...shared, drop: leaveOut });
    const encodeUncounted = createEncoder({ ...shared, drop: () => undefined });
    const vanished = createVanishedTracker(planOf, MOST_REMEMBERED);
    const changedTargets = createTargets(MOST_REMEMBERED);
    const sender = (version: Version) =>
      http({
        compression: 'snappy',
        ...httpClient(config, { [VERSION_HEADER]: VERSION_NUMBERS[version] }),
        retriesServerErrors: true,
      });
    const transport = createTransport({
      url: checkUrl(id, config.endpoint),
      protocol: config.protocol,
      senders: { '2.0': sender('2.0'), '1.0': sender('1.0') },
      hasMetadata: metadata,
      max_request_bytes,
      log,
      now: () => performance.now(),
    });

    if (Object.keys(config.headers).some((name) => name.toLowerCase() === VERSION_HEADER)) {
      const message = `Cannot set ${VERSION_HEADER}: it says which version is sent`;
      throw new ConfigError([{ message, path: `exporters.${id}.headers`, hint: 'Write protocol instead' }]);
    }

    function leaveOut(reason: string, count: number, example: string): void {
      drop(reason, count);
      log.once(reason, `Cannot send ${example}: ${REASONS[reason]}`);
    }

    /** What a batch shows besides what is in it: which series have vanished, and of which targets it is. */
    function encodeRest(batch: MetricBatch): Payload[] {
      if (batch.flags !== undefined) vanished.noteEnded(endedIn(batch), batch.time);
      const gone = vanished.track(batch);
      const rest = gone === undefined ? [] : [noPoints(encodeUncounted(statement([], gone.series, gone.time)).body)];
      if (!config.target_info) return rest;
      const time = latestTime(batch);
      const { present, ended } = changedTargets(batch, time);
      if (present.length > 0) rest.push(noPoints(encodeUncounted(statement(present, ended, time)).body));
      return rest;
    }

    return {
      encode(batch) {
        if (batch.signal !== 'metrics') return [];
        const { body, count } = encodeBatch(batch);
        const payloads = count === 0 ? [] : fitting({ body, count });
        return [...payloads, ...encodeRest(batch).flatMap(fitting)];
      },
      send: (request, _, abort) => transport.send(request, abort),
      split: splitRequest,
      start() {
        const { concurrency, order } = queue;
        if (concurrency === 1 && order === 'fifo') return;
        log.warn('Samples may be refused as out of order: the queue does not keep the order of requests', {
          concurrency,
          order,
        });
      },
      stop: () => transport.stop(),
    };

    /** A point that is too large alone stays too large: it is left out. */
    function fitting(payload: Payload): readonly Payload[] {
      const parts = splitToSize(payload, max_request_bytes);
      return parts.filter(({ body, count }) => {
        const fits = body.byteLength <= max_request_bytes;
        if (!fits && count > 0) leaveOut('too_large', count, 'a point');
        return fits;
      });
    }
  },
});

const REASONS: Readonly<Record<string, string>> = {
  delta_temporality: 'Prometheus cannot take deltas; have its source send cumulative values, or convert them before',
  duplicate_series:
    'another series has the same name and labels; resource_attributes or scope_labels may tell them apart',
  duplicate_timestamp: 'a later value of the same series has the same millisecond',
  name_conflict: 'a sample of another metric has its name',
  invalid_name: 'nothing of the name is left in Prometheus’ alphabet',
  invalid_point: 'the buckets or quantiles contradict themselves',
  histogram_without_sum: 'a native histogram must have a sum; native_histograms: none makes series of it',
  histogram_too_coarse: 'its scale is below -4, the coarsest of native histograms',
  too_large: 'it is larger than max_request_bytes',
};

function noPoints(body: Uint8Array): Payload {
  return { body, count: 0 };
}

/** A batch that says of series only that they are there (with 1, as `target_info`) or have ended. */
function statement(present: readonly Series[], ended: readonly Series[], time: bigint): MetricBatch {
  const series = [...present, ...ended];
  return {
    signal: 'metrics',
    count: series.length,
    series,
    values: new Float64Array(series.length).fill(1),
    time,
    flags: Uint32Array.from(series, (_, i) => (i < present.length ? 0 : NO_RECORDED_VALUE)),
  };
}

function endedIn({ series, flags }: MetricBatch): readonly Series[] {
  return series.filter((_, row) => (flags![row]! & NO_RECORDED_VALUE) !== 0);
}

function latestTime({ time, times }: MetricBatch): bigint {
  return times?.reduce((latest, one) => (one > latest ? one : latest), 0n) ?? time;
}

/** @throws {ConfigError} it is no URL */
function checkUrl(id: string, text: string): string {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href;
  const message = `Cannot use ${JSON.stringify(text)}: not an http:// or https:// URL`;
  throw new ConfigError([{ message, path: `exporters.${id}.endpoint` }]);
}
