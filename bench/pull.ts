/** Runs the exporter `prometheus` in this process, without the transport around it. */
import { createBoard } from '../src/rules/board.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import prometheus from '../exporters/prometheus.ts';
import type { ExporterContext, PullExporter, ServeOptions } from '../src/component.ts';
import type { MetricBatch, Resource } from '../src/model/batch.ts';

export interface PullRun {
  consume(batch: MetricBatch): void;
  /** The body that a scrape is answered with. */
  scrape(encoding?: 'identity' | 'gzip'): Promise<Buffer>;
}

export async function runPrometheus(resource: Resource): Promise<PullRun> {
  let routes: ServeOptions['routes'] = {};
  const nothing = (): void => {};
  const context: ExporterContext<unknown> = {
    id: 'prometheus',
    config: v.parse(prometheus.config, { target_info: false }),
    signals: ['metrics'],
    log: { info: nothing, warn: nothing, error: nothing, once: nothing, over: nothing },
    drop: nothing,
    resource,
    http: () => {
      throw new Error('Cannot send: a pull exporter only answers');
    },
    serve(options) {
      routes = options.routes;
      return Promise.resolve({ url: 'http://127.0.0.1', close: () => Promise.resolve() });
    },
    collect: () => Promise.resolve(),
    board: createBoard(),
    answered: nothing,
    watched: nothing,
  };
  const exporter = prometheus.create(context as Parameters<typeof prometheus.create>[0]) as PullExporter;
  await exporter.start?.();
  const [answer] = Object.values(routes);
  const accept = 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2';

  return {
    consume: (batch) => void exporter.consume(batch),
    async scrape(encoding = 'identity') {
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      const closing: (() => void)[] = [];
      const response = {
        closed: false,
        headersSent: false,
        once: (_: string, listener: () => void) => closing.push(listener),
        writeHead: nothing,
        end: resolve,
      };
      const request = { method: 'GET', headers: { accept, 'accept-encoding': encoding }, socket: {} };
      await answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
      const body = await promise;
      for (const close of closing) close();
      return body;
    },
  };
}
