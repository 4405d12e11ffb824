/**
 * Takes metrics, logs and traces from applications by OTLP. An answer of success means that every pipeline took the
 * data. Bytes are checked but not decoded: a pipeline whose processors do not look inside hands on the very same bytes.
 */
import * as v from 'valibot';
import { defineReceiver, type Listener } from '../src/component.ts';
import { hostPort, option, optional, size, tlsServer } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import { createBudget } from './otlp/budget.ts';
import { createHttpRoutes } from './otlp/http.ts';
import { createIngest } from './otlp/ingest.ts';
import { startGrpc } from './otlp/grpc.ts';

const protocol = (about: string, endpoint: string) =>
  optional(
    // As in the Collector, naming a protocol turns it on, with nothing behind it (`http:`) too.
    v.nullable(
      v.strictObject({
        endpoint: option(hostPort(), 'Where it listens.', endpoint),
        tls: optional(tlsServer(), 'Listen with TLS. The files are read again when they change.'),
        insecure: option(
          v.boolean(),
          'Listen for other machines without TLS; anyone who reaches the port can send.',
          false,
        ),
        max_request_bytes: option(size(), 'Largest request, before and after it is decompressed.', '20MiB'),
      }),
      {},
    ),
    about,
  );

export default defineReceiver({
  type: 'otlp',
  about: 'Takes metrics, logs and traces that applications send by OTLP.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    protocols: option(
      v.strictObject({
        http: protocol('OTLP over HTTP: protobuf and JSON.', '127.0.0.1:4318'),
        grpc: protocol('OTLP over gRPC, which takes 20 MB more memory.', '127.0.0.1:4317'),
      }),
      'The protocols that are named are on; only HTTP if this is left out.',
      { http: {} },
    ),
    max_inflight_bytes: option(
      size(),
      'Most bytes of all requests that are read but not yet taken by the pipelines; further ones are asked to come again.',
      '64MiB',
    ),
  }),
  sources: ['127.0.0.1:4318', '127.0.0.1:4317'],
  create({ id, config, next, log, serve }) {
    const { http, grpc } = config.protocols;
    if (http === undefined && grpc === undefined) {
      const path = `receivers.${id}.protocols`;
      const hint = 'Write "http:" or "grpc:" below it; nothing needs to stand behind it';
      throw new ConfigError([{ message: 'Cannot receive OTLP: no protocol is named', path, hint }]);
    }
    const ingest = createIngest({ next, log, budget: createBudget(config.max_inflight_bytes) });
    const open: Pick<Listener, 'close'>[] = [];

    return {
      async start() {
        try {
          if (http !== undefined) {
            const { endpoint, tls, insecure, max_request_bytes } = http;
            const listener = await serve({
              endpoint,
              tls,
              insecure,
              ...createHttpRoutes(ingest, max_request_bytes),
            });
            open.push(listener);
            log.info(`Listens for OTLP over HTTP on ${listener.url}`);
          }
          if (grpc !== undefined) {
            const listener = await startGrpc(grpc, ingest, log);
            open.push(listener);
            log.info(`Listens for OTLP over gRPC on ${listener.address}`);
          }
        } catch (error) {
          await close();
          throw error;
        }
      },
      stop: close,
    };

    async function close(): Promise<void> {
      await Promise.all(open.splice(0).map((listener) => listener.close()));
    }
  },
});
