/** Writes line protocol to InfluxDB 1, 2 and 3, and to what speaks one of their write APIs. */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { httpClient, httpClientOptions } from '../src/config/http_client.ts';
import { option, optional, secret, size } from '../src/config/options.ts';
import { RefusedError, RetryableError } from '../src/errors.ts';
import { createDialect } from './influxdb/escape.ts';
import { Bodies, halve, wireBody } from './influxdb/items.ts';
import { createLogEncoder } from './influxdb/logs.ts';
import { createMetricEncoder } from './influxdb/metrics.ts';
import { readRefusal } from './influxdb/refusals.ts';
import { createSchema } from './influxdb/schemas.ts';
import { authOf, writeUrls } from './influxdb/target.ts';
import { createClock } from './influxdb/times.ts';

const CONTENT_TYPE = 'text/plain; charset=utf-8';

export default definePushExporter({
  type: 'influxdb',
  about: 'Writes metrics and logs to InfluxDB 1, 2 or 3 as line protocol.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    endpoint: option(v.string(), 'Where to: a URL that the path of the API is appended to.', 'http://127.0.0.1:8086'),
    api: option(
      v.picklist(['v1', 'v2', 'v3']),
      'The write API: /write, /api/v2/write or /api/v3/write_lp. InfluxDB 1.8 and later, and VictoriaMetrics, have the first two.',
      'v2',
    ),
    database: optional(v.string(), 'The database; for v1 and v3.'),
    retention_policy: optional(v.string(), 'The retention policy, for v1; that of the database if left out.'),
    consistency: optional(
      v.picklist(['any', 'one', 'quorum', 'all']),
      'How many nodes of a cluster must have it; for v1.',
    ),
    org: optional(v.string(), 'The organization, its name or id; for v2.'),
    bucket: optional(v.string(), 'The bucket; for v2.'),
    accept_partial: optional(
      v.boolean(),
      'Whether the good lines of a request are written although it has bad ones, for v3; the server does so if left out.',
    ),
    token: optional(secret(), 'The API token, for v2 and v3; user and password go into auth.basic.'),
    schema: option(
      v.picklist(['telegraf-prometheus-v1', 'telegraf-prometheus-v2', 'otel-v1']),
      'What measurements and fields are called: one measurement for each metric, one for all (prometheus), or names that tell unit, kind and type.',
      'telegraf-prometheus-v1',
    ),
    precision: option(
      v.picklist(['ns', 'us', 'ms', 's']),
      'How fine the time stamps of metrics are. Points of a series that get the same one replace each other.',
      'ns',
    ),
    log_dimensions: option(v.array(v.string()), 'Attributes of log records, scopes and resources that become tags.', [
      'service.name',
    ]),
    compression: option(v.picklist(['gzip', 'none']), 'How requests are compressed.', 'gzip'),
    max_lines: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most lines in a request; more are sent in several.',
      10_000,
    ),
    max_request_bytes: option(size(), 'Larger requests are split, before compression.', '10MB'),
    ...httpClientOptions,
  }),
  create({ id, config, http, drop }) {
    const { api, compression, max_lines, max_request_bytes } = config;
    const urls = writeUrls(id, config);
    const sender = http({
      compression,
      ...httpClient(config),
      auth: authOf(id, config),
      retriesServerErrors: true,
    });
    const dialect = createDialect(api === 'v3');
    const unsigned = api === 'v1' ? 'i' : 'u';
    const bodies = new Bodies({ max_lines, max_bytes: max_request_bytes });
    const schema = createSchema(config.schema, { dialect, unsigned });
    const encodeMetrics = createMetricEncoder({ schema, dialect, clock: createClock(config.precision), drop });
    const encodeLogs = createLogEncoder({ dimensions: config.log_dimensions, dialect, unsigned, now: Date.now });

    return {
      encode(batch) {
        bodies.clear();
        if (batch.signal === 'metrics') encodeMetrics(batch, bodies);
        else if (batch.signal === 'logs') encodeLogs(batch, bodies);
        if (bodies.tooLarge > 0) drop('too_large', bodies.tooLarge);
        return bodies.take();
      },
      async send(request, signal, abort) {
        if (signal === 'traces') return undefined;
        try {
          await sender.post(urls[signal], wireBody(request.body, signal), CONTENT_TYPE, abort);
          return undefined;
        } catch (error) {
          if (!(error instanceof RefusedError)) throw error;
          // A database or bucket that is not there yet: whoever is about to make it wants what was measured before.
          if (error.status === 404) throw new RetryableError(error.message, { cause: error });
          const result = readRefusal(api, error.body, request, signal);
          if (result === undefined) throw error;
          return result;
        }
      },
      split: ({ body }, signal) => halve(body, signal),
      stop: () => sender.close(),
    };
  },
});
