/** OTLP over HTTP, protobuf or JSON. */
import type { HttpSender } from '../../src/component.ts';
import { TooLargeError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';
import { protobufToJson } from '../../src/model/otlp/protobuf_to_json.ts';
import { readResult } from './result.ts';
import type { Transport } from './transport.ts';

export interface HttpTransportOptions {
  readonly urls: Readonly<Record<Signal, string>>;
  readonly isJson: boolean;
  readonly sender: HttpSender;
  readonly max_request_bytes: number;
}

export function createHttpTransport({ urls, isJson, sender, max_request_bytes }: HttpTransportOptions): Transport {
  const contentType = isJson ? 'application/json' : 'application/x-protobuf';
  return {
    canRelease: (body) => isJson || sender.canRelease(body),
    async send(payload, signal, abort) {
      const body = isJson ? protobufToJson(REQUEST_TYPES[signal], payload.body) : payload.body;
      // The parts were cut to size as protobuf; as JSON they are a few times larger.
      if (body.byteLength > max_request_bytes && payload.count > 1) {
        throw new TooLargeError(
          `Cannot send a request of ${body.byteLength} bytes: max_request_bytes is ${max_request_bytes}`,
        );
      }
      const answer = await sender.post(urls[signal], body, contentType, abort);
      const answerType = answer.headers['content-type'];
      return readResult(
        answer.body,
        typeof answerType === 'string' && answerType.startsWith('application/json'),
        signal,
      );
    },
    start() {},
    stop: () => sender.close(),
  };
}
