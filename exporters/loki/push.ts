/** Loki's own push protocol: the agent makes the labels and the structured metadata. */
import type { ComponentLog, PushExporter } from '../../src/component.ts';
import type { Batch } from '../../src/model/batch.ts';
import { postEntries, type Post } from './answers.ts';
import { createStreams } from './entries.ts';
import { jsonFormat, protobufFormat } from './formats.ts';
import type { PushOptions } from './options.ts';
import { encodeStreams, splitJson, splitProtobuf } from './requests.ts';

export interface PushProtocolOptions extends PushOptions {
  readonly post: Post;
  readonly isJson: boolean;
  readonly max_request_bytes: number;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
}

export function createPushProtocol(options: PushProtocolOptions): PushExporter {
  const { post, isJson, max_request_bytes, log, drop, limits } = options;
  const format = isJson ? jsonFormat : protobufFormat;
  const streamsOf = createStreams({
    ...options,
    onTruncated: () =>
      log.once(
        'truncated',
        `Lines are longer than ${limits.line_bytes} bytes and are cut: see truncated_bytes on them`,
      ),
  });
  return {
    encode(batch: Batch) {
      if (batch.signal !== 'logs') return [];
      const streams = streamsOf(batch.records, BigInt(Date.now()) * 1_000_000n);
      return encodeStreams(streams, format, max_request_bytes, () => drop('too_large', 1));
    },
    send: ({ body, count }, _, abort) => postEntries(() => post(body, format.contentType, abort), count),
    split: isJson ? splitJson : splitProtobuf,
  };
}
