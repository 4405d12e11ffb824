/** An exporter `store` that listens, filled sample by sample or by batches. */
import * as v from 'valibot';
import { onTestFinished } from 'vitest';
import store from '../../../exporters/store.ts';
import { createServe } from '../../../src/api/http_server.ts';
import type { PullExporter } from '../../../src/component.ts';
import type { MetricBatch } from '../../../src/model/batch.ts';
import { createBoard, type Board } from '../../../src/rules/board.ts';
import { RESOURCE } from '../../support/processor.ts';
import { createRecordedLog, type RecordedLog } from '../../support/recorded_log.ts';

export interface StoreRun {
  readonly exporter: PullExporter;
  readonly url: string;
  readonly log: RecordedLog;
  readonly dropped: ReadonlyMap<string, number>;
  readonly answered: readonly number[];
  consume(batch: MetricBatch): Promise<void>;
  /** Status, headers and the JSON of an answer; `path` below `/api/v1/`. */
  ask(path: string, parameters?: Parameters, init?: RequestInit): Promise<ApiAnswer>;
  stop(): Promise<void>;
}

export type Parameters = Readonly<Record<string, string | readonly string[]>>;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly status: string;
    readonly data?: unknown;
    readonly errorType?: string;
    readonly error?: string;
    readonly warnings?: readonly string[];
    readonly infos?: readonly string[];
  };
}

export async function startStore(
  config: Record<string, unknown> = {},
  board: Board = createBoard(),
): Promise<StoreRun> {
  const log = createRecordedLog();
  const serve = createServe({ page: (_, response) => void response.end('page'), log });
  const dropped = new Map<string, number>();
  const answered: number[] = [];
  let url = '';
  const exporter = store.create({
    id: 'store',
    config: v.parse(store.config, { endpoint: '127.0.0.1:0', ...config }),
    signals: ['metrics'],
    log,
    drop: (reason, count) => void dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    serve: async (options) => {
      const listener = await serve(options);
      url = listener.url;
      return listener;
    },
    http: () => {
      throw new Error('a store sends nothing');
    },
    resource: RESOURCE,
    collect: () => undefined,
    board,
    answered: (count) => void answered.push(count),
    watched: () => {},
  }) as PullExporter;
  await exporter.start?.();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= Promise.resolve(exporter.stop?.()));
  onTestFinished(stop);
  return {
    exporter,
    url,
    log,
    dropped,
    answered,
    consume: async (batch) => exporter.consume(batch),
    async ask(path, parameters = {}, init = {}) {
      const form = formOf(parameters).toString();
      const isPost = init.method === 'POST';
      const response = await fetch(`${url}/api/v1/${path}${isPost || form === '' ? '' : `?${form}`}`, {
        ...init,
        ...(isPost && {
          body: form,
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...(init.headers as Record<string, string>) },
        }),
      });
      return { status: response.status, headers: response.headers, body: (await response.json()) as ApiAnswer['body'] };
    },
    stop,
  };
}

export function formOf(parameters: Parameters): URLSearchParams {
  return new URLSearchParams(
    Object.entries(parameters).flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((one) => [name, one]),
    ),
  );
}
