/** Loki's OTLP endpoint: Loki itself makes labels and structured metadata, by its `otlp_config`. */
import type { PushExporter } from '../../src/component.ts';
import type { Batch } from '../../src/model/batch.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';
import { protobufToJson } from '../../src/model/otlp/protobuf_to_json.ts';
import { splitRequest, splitToSize } from '../../src/model/otlp/requests.ts';
import { postEntries } from './answers.ts';
import type { Post } from './answers.ts';

export interface OtlpOptions {
  readonly post: Post;
  readonly isJson: boolean;
  readonly max_request_bytes: number;
  readonly drop: (reason: 'too_large', count: number) => void;
}

/** What waits is protobuf; JSON is made of it when it is sent, and may then be larger than `max_request_bytes`. */
export function createOtlp({ post, isJson, max_request_bytes, drop }: OtlpOptions): PushExporter {
  return {
    encode(batch: Batch) {
      if (batch.signal !== 'logs') return [];
      const parts = splitToSize(encodeLogs(batch), 'logs', max_request_bytes);
      const fitting = parts.filter(({ body }) => body.byteLength <= max_request_bytes);
      const left = batch.count - fitting.reduce((sum, { count }) => sum + count, 0);
      if (left > 0) drop('too_large', left);
      return fitting.filter(({ count }) => count > 0);
    },
    send({ body, count }, _, abort) {
      const bytes = isJson ? protobufToJson(REQUEST_TYPES.logs, body) : body;
      return postEntries(() => post(bytes, isJson ? 'application/json' : 'application/x-protobuf', abort), count);
    },
    split: ({ body }) => splitRequest(body, 'logs'),
  };
}
