/** Sends logs and metrics to Elasticsearch by its bulk API, as documents of OpenTelemetry's own fields or of ECS. */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { httpClient, httpClientOptions } from '../src/config/http_client.ts';
import { option, optional, secret, size } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import type { Batch, LogRecord, Signal } from '../src/model/batch.ts';
import { textJson } from '../src/text/value_json.ts';
import { readAnswer } from './elasticsearch/answers.ts';
import { addIds, ID_BYTES, packDocuments, readBody, splitBody, type Document } from './elasticsearch/bulk.ts';
import { createRotation } from './elasticsearch/hosts.ts';
import { ecsLog } from './elasticsearch/logs_ecs.ts';
import { otelLog } from './elasticsearch/logs_otel.ts';
import { createMetricDocuments } from './elasticsearch/metrics.ts';
import { ecsMetrics } from './elasticsearch/metrics_ecs.ts';
import { otelMetrics } from './elasticsearch/metrics_otel.ts';
import { createRoute, indexProblem } from './elasticsearch/targets.ts';

/** What is read of an answer; whole, it repeats every document's index and id. */
const FILTER = 'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason';

export default definePushExporter({
  type: 'elasticsearch',
  about: 'Sends logs and metrics to Elasticsearch, into data streams or an index.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    endpoints: option(
      v.pipe(v.array(v.string()), v.minLength(1, 'at least one URL')),
      'Hosts of one cluster, used in turn; one that fails is passed over for 30 seconds.',
      ['http://127.0.0.1:9200'],
    ),
    ...httpClientOptions,
    api_key: optional(secret(), 'An API key in its encoded form, as Kibana shows it; instead of auth.'),
    mapping: option(
      v.picklist(['otel', 'ecs']),
      'What documents look like: OpenTelemetry’s own fields, for which Elasticsearch has templates from 8.16 on; or the Elastic Common Schema, for older ones and dashboards made for it.',
      'otel',
    ),
    index: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of an index')),
      'An index, alias or data stream of your own; {signal} in it becomes logs or metrics. Instead of data_stream.',
    ),
    data_stream: optional(
      v.strictObject({
        dataset: option(v.string(), 'What the data is of; mapping otel appends .otel.', 'generic'),
        namespace: option(v.string(), 'Whose it is, as the environment.', 'default'),
        by_attributes: option(
          v.boolean(),
          'Whether attributes data_stream.dataset and data_stream.namespace of a record, scope or resource decide instead: whoever sends the data can then make data streams.',
          false,
        ),
      }),
      'Which data stream documents go to: logs-<dataset>-<namespace> and metrics-<dataset>-<namespace>.',
    ),
    pipeline: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of a pipeline')),
      'Ingest pipeline that documents pass, instead of the one that their index names.',
    ),
    document_id: option(
      v.picklist(['generated', 'none']),
      'Whether logs carry an id of ours: then a repeated request stores nothing twice, but Elasticsearch must look each id up. Metrics never do: time series tell repetitions by themselves.',
      'generated',
    ),
    compression: option(v.picklist(['gzip', 'none']), 'How requests are compressed.', 'gzip'),
    max_request_bytes: option(size(), 'Larger requests are split, before compression.', '5MiB'),
  }),
  create({ id, config, http, drop }) {
    const { mapping, index, pipeline, max_request_bytes } = config;
    const fail = (name: string, message: string, hint?: string): never => {
      throw new ConfigError([{ message, path: `exporters.${id}.${name}`, hint }]);
    };
    if (index !== undefined) {
      if (config.data_stream !== undefined) fail('index', 'Cannot use both index and data_stream: give one of them');
      const problem = indexProblem(index.replaceAll('{signal}', 'metrics'));
      if (problem !== undefined) fail('index', `Cannot use ${JSON.stringify(index)} as an index: ${problem}`);
    }
    if (config.api_key !== undefined && config.auth !== undefined) {
      fail('api_key', 'Cannot use both api_key and auth: give one of them');
    }
    const params = new URLSearchParams({ filter_path: FILTER });
    if (pipeline !== undefined) params.set('pipeline', pipeline);
    // Without a template for it, Elasticsearch would make an index whose mappings are guesses.
    if (mapping === 'otel' && index === undefined) params.set('require_data_stream', 'true');
    const urls = config.endpoints.map(
      (endpoint, position) =>
        bulkUrl(endpoint, params) ??
        fail(`endpoints[${position}]`, `Cannot use ${JSON.stringify(endpoint)}: not an http:// or https:// URL`),
    );
    const inTurn = createRotation(urls, Date.now);
    const client = httpClient(config);
    const sender = http({
      compression: config.compression,
      ...client,
      auth:
        config.api_key === undefined
          ? client.auth
          : { header: { name: 'authorization', value: config.api_key, prefix: 'ApiKey ' } },
      retriesServerErrors: true,
    });

    const { dataset = 'generic', namespace = 'default', by_attributes = false } = config.data_stream ?? {};
    const suffix = mapping === 'otel' ? '.otel' : '';
    const targets = { index, dataset, namespace, isRouted: by_attributes, suffix };
    const routeLogs = createRoute('logs', targets);
    const logSource = mapping === 'otel' ? otelLog : ecsLog;
    const metricDocuments = createMetricDocuments(
      mapping === 'otel' ? otelMetrics : ecsMetrics,
      createRoute('metrics', targets),
      drop,
    );
    const hasIds = (signal: Signal): boolean => signal === 'logs' && config.document_id === 'generated';

    function* logDocuments(records: readonly LogRecord[]): Iterable<Document> {
      for (const record of records) {
        const target = routeLogs(record.attributes, record.scope.attributes, record.resource.attributes);
        const action = `{"create":{"_index":${textJson(target.index)}}}`;
        yield { action, source: logSource(record, target), count: 1 };
      }
    }

    function encode(batch: Batch) {
      if (batch.signal === 'traces') return [];
      const documents = batch.signal === 'logs' ? logDocuments(batch.records) : metricDocuments(batch);
      const id_bytes = hasIds(batch.signal) ? ID_BYTES : 0;
      return packDocuments(documents, max_request_bytes, (count) => drop('too_large', count), id_bytes);
    }

    return {
      encode,
      async send({ body, id: requestId }, signal, abort) {
        const withIds = hasIds(signal) ? addIds(body, requestId) : body;
        const { lines } = readBody(withIds);
        const post = (url: string) => sender.post(url, lines, 'application/x-ndjson', abort);
        const answer = await inTurn(post, abort);
        return readAnswer(answer.body, withIds);
      },
      split: splitBody,
      stop: () => sender.close(),
    };
  },
});

/** The URL to post to; undefined where the endpoint is none. */
function bulkUrl(endpoint: string, params: URLSearchParams): string | undefined {
  const url = URL.parse(endpoint);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/_bulk`;
  for (const [name, value] of params) url.searchParams.set(name, value);
  return url.href;
}
