/**
 * Sends OTLP. What waits in the queue is always protobuf; JSON is made of it when it is sent. What came as OTLP through
 * processors that need not look inside goes on byte for byte.
 */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { httpClient, httpClientOptions } from '../src/config/http_client.ts';
import { option, optional, size } from '../src/config/options.ts';
import { createCredentials } from '../src/credentials.ts';
import type { Batch } from '../src/model/batch.ts';
import { createDeltaConverter, type DeltaConverter } from '../src/model/delta.ts';
import { encodeRequests } from '../src/model/otlp/encode_requests.ts';
import { splitRequest } from '../src/model/otlp/requests.ts';
import { VERSION } from '../src/model/version.ts';
import { grpcTargets, httpUrls } from './otlp/endpoints.ts';
import { createGrpcTransport } from './otlp/grpc.ts';
import { createHttpTransport } from './otlp/http.ts';

/** OTLP specification, "User Agent": the product before the exporter. */
const USER_AGENT = `sonde/${VERSION} OTel-OTLP-Exporter-JavaScript/${VERSION}`;

const endpoint = (about: string) => optional(v.pipe(v.string(), v.minLength(1, 'an address')), about);

export default definePushExporter({
  type: 'otlp',
  about: 'Sends metrics, logs and traces by OTLP: to an OpenTelemetry Collector or any back end that takes it.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    endpoint: endpoint(
      'Where to: for HTTP a URL that /v1/metrics and the like are appended to (http://127.0.0.1:4318 if left out); for gRPC http(s)://host:port, host:port or unix:/path (http://127.0.0.1:4317 if left out).',
    ),
    metrics_endpoint: endpoint('Where metrics go instead; nothing is appended to it.'),
    logs_endpoint: endpoint('Where logs go instead; nothing is appended to it.'),
    traces_endpoint: endpoint('Where traces go instead; nothing is appended to it.'),
    protocol: option(
      v.picklist(['http/protobuf', 'http/json', 'grpc']),
      'How it travels: HTTP with protobuf costs least.',
      'http/protobuf',
    ),
    compression: option(
      v.picklist(['gzip', 'zstd', 'none']),
      'Every back end takes gzip; zstd is smaller and costs half, where it is understood (the Collector does; not with gRPC).',
      'gzip',
    ),
    ...httpClientOptions,
    insecure: option(v.boolean(), 'Without TLS to a gRPC endpoint that is written without http:// or https://.', false),
    temporality: option(
      v.picklist(['cumulative', 'delta', 'lowmemory']),
      'Totals since a start, or what was added since the request before: delta for monotonic sums and histograms, lowmemory for histograms only. A total from before the agent started only sets the baseline.',
      'cumulative',
    ),
    max_request_bytes: option(
      size(),
      'Larger requests are split, before compression; many back ends take no more than the default.',
      '4MiB',
    ),
  }),
  create({ id, config, http, drop }) {
    const { protocol, compression, max_request_bytes } = config;
    const client = httpClient(config, { 'user-agent': USER_AGENT });
    const transport =
      protocol === 'grpc'
        ? createGrpcTransport({
            targets: grpcTargets(id, config),
            isCompressed: compression === 'gzip',
            headers: httpClient(config).headers,
            credentials: createCredentials(config.auth),
            tls: config.tls ?? {},
            userAgent: USER_AGENT,
          })
        : createHttpTransport({
            urls: httpUrls(id, config),
            isJson: protocol === 'http/json',
            sender: http({ compression, ...client }),
            max_request_bytes,
          });
    const delta = config.temporality === 'cumulative' ? undefined : createDelta(config.temporality);

    function encode(whole: Batch) {
      const batch = whole.signal === 'metrics' && delta !== undefined ? delta.convert(whole) : whole;
      if (batch.count < whole.count) drop('delta_baseline', whole.count - batch.count);
      if (batch.count === 0) return [];
      const { parts, tooLarge } = encodeRequests(batch, max_request_bytes, transport.canRelease);
      if (tooLarge > 0) drop('too_large', tooLarge);
      return parts;
    }

    return {
      encode,
      send: transport.send,
      split: ({ body }, signal) => splitRequest(body, signal),
      start: transport.start,
      stop: transport.stop,
    };
  },
});

/** Low memory keeps sums as they are: nobody knows whether an asynchronous counter made them (specification, "OTLP exporter"). */
function createDelta(temporality: 'delta' | 'lowmemory'): DeltaConverter {
  return createDeltaConverter({
    includes: ({ kind }) => temporality === 'delta' || kind !== 'sum',
    initialValue: 'auto',
    since: BigInt(Date.now()) * 1_000_000n,
  });
}
