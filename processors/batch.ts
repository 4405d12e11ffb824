/** Merges batches into larger ones. */
import * as v from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { duration, option } from '../src/config/options.ts';
import type { Batch, LogBatch, MetricBatch, Signal } from '../src/model/batch.ts';
import type { Layout } from '../src/model/layout.ts';
import { encodeLogs } from '../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { isEncoded, lentBatch, readEncoded } from '../src/model/otlp/lazy_batch.ts';
import { LentBytes } from '../src/model/otlp/lent_bytes.ts';
import { splitRequest } from '../src/model/otlp/requests.ts';
import { concatenate, selectRows } from '../src/model/select.ts';

const itemCount = v.pipe(v.number(), v.integer(), v.minValue(0));

export default defineProcessor({
  type: 'batch',
  about:
    'Merges batches until there are enough items or the time is over, and hands them on as one. Whoever hands over a ' +
    'batch waits until the merged one was taken, so a refusal reaches the sender; it then tries the whole batch again. ' +
    'It works behind the other processors of its pipeline, wherever it is listed, and pull exporters do not wait for it.',
  signals: ['metrics', 'logs', 'traces'],
  isBatching: true,
  config: v.strictObject({
    send_batch_size: option(
      itemCount,
      'So many points, records or spans are handed on without waiting longer; 0 is any.',
      8192,
    ),
    send_batch_max_size: option(itemCount, 'A merged batch with more is handed on in parts; 0 is no limit.', 0),
    timeout: option(duration(), 'After this a merged batch is handed on, however small; 0 is at once.', '200ms'),
  }),
  create({ id, config, next }) {
    const { send_batch_size: size, send_batch_max_size: maxSize, timeout } = config;
    if (maxSize > 0 && maxSize < size) {
      throw new RangeError(
        `Cannot create "${id}": send_batch_max_size ${maxSize} is less than send_batch_size ${size}`,
      );
    }
    const lots = new Map<string, Lot>();
    const combine = createLayouts();
    /** Whether someone behind looks into what is handed on: then it is not encoded here. */
    let isLookedInto = false;
    /** What was handed on before: the next merged batch waits for it, so that order is kept. */
    let last: Promise<unknown> = Promise.resolve();

    function lotOf(key: string): Lot {
      let lot = lots.get(key);
      if (lot === undefined)
        lots.set(key, (lot = { batches: [], lent: [], count: 0, ...Promise.withResolvers<void>() }));
      if (lot.timer === undefined && timeout > 0) lot.timer = setTimeout(() => flush(key), timeout);
      return lot;
    }

    function flush(key: string): void {
      const lot = lots.get(key);
      if (lot === undefined) return;
      lots.delete(key);
      clearTimeout(lot.timer);
      const sent = last.then(() => hand(lot));
      // A refusal is for those whose batches are in it, not for the next ones.
      last = sent.catch(() => undefined);
      sent.then(lot.resolve, lot.reject);
    }

    function onLook(): void {
      isLookedInto = true;
      // It is older than what will come in columns.
      for (const key of lots.keys()) if (key.endsWith(ENCODED_HERE)) flush(key);
    }

    async function hand({ batches, lent }: Lot): Promise<void> {
      const made: LentBytes[] = [];
      const lend = (signal: Signal, bytes: Uint8Array, count: number): Batch => {
        const own = new LentBytes(bytes);
        made.push(own);
        return lentBatch(signal, own, count, onLook);
      };
      const merged = merge(batches, combine, lend);
      // Where there was something to merge, a copy is in it.
      if (merged !== batches[0]) for (const own of lent) own.end();
      for (const part of split(merged, maxSize, lend)) await next.consume(part);
      for (const own of [...lent, ...made]) own.end();
    }

    return {
      consume(batch) {
        // Encoded batches are merged without decoding, so they are kept apart from those in columns.
        let key = isEncoded(batch) ? `${batch.signal} encoded` : batch.signal;
        let held = batch;
        let own: LentBytes | undefined;
        if (timeout > 0 && !isLookedInto && canBeEncoded(batch)) {
          key = `${batch.signal}${ENCODED_HERE}`;
          own = new LentBytes(encode(batch));
          held = lentBatch(batch.signal, own, batch.count, onLook);
        }
        const lot = lotOf(key);
        lot.batches.push(held);
        if (own !== undefined) lot.lent.push(own);
        lot.count += batch.count;
        if (timeout === 0 || lot.count >= size) flush(key);
        return lot.promise;
      },
      async stop() {
        for (const key of lots.keys()) flush(key);
        await last;
      },
    };
  },
});

const ENCODED_HERE = ' encoded here';

/**
 * Whether to hold its bytes instead of its columns or records. These are a hundred bytes an object, and thousands of
 * them that wait for a fifth of a second are too old for V8 to free them cheaply: that took more CPU time than decoding
 * and encoding. What receivers collect stays, because it is the same objects every time.
 */
function canBeEncoded(batch: Batch): batch is MetricBatch | LogBatch {
  if (isEncoded(batch) || batch.signal === 'traces') return false;
  if (batch.signal === 'logs') return true;
  // Of entities, encoding makes resources, which no decoding takes back.
  return batch.collection === undefined && batch.series.every(({ metric }) => metric.entity === undefined);
}

function encode(batch: MetricBatch | LogBatch): Uint8Array {
  return batch.signal === 'metrics' ? encodeMetrics(batch) : encodeLogs(batch);
}

/** Batches that will be handed on as one; `promise` is theirs all. */
interface Lot extends PromiseWithResolvers<void> {
  readonly batches: Batch[];
  /** What batches were encoded to here. */
  readonly lent: LentBytes[];
  count: number;
  timer?: NodeJS.Timeout;
}

/** A batch of bytes that were made here. */
type Lend = (signal: Signal, bytes: Uint8Array, count: number) => Batch;

/** One batch of what is in all, which are of one signal, and either all encoded or none. */
function merge(batches: readonly Batch[], combine: (layouts: readonly Layout[]) => Layout, lend: Lend): Batch {
  const first = batches[0]!;
  if (batches.length === 1) return first;
  if (batches.every(isEncoded)) return mergeEncoded(first.signal, batches, lend);
  if (first.signal === 'logs') {
    const records = (batches as readonly LogBatch[]).flatMap((batch) => batch.records);
    return { signal: 'logs', count: records.length, records };
  }
  const metrics = batches as readonly MetricBatch[];
  return concatenate(metrics, combine(metrics.map(({ series }) => series)));
}

/**
 * Export requests, one behind the other, are the request of all that is in them: their fields are repeated. They are copied, so
 * that whoever lent them can give them back.
 */
function mergeEncoded(signal: Signal, batches: readonly Batch[], lend: Lend): Batch {
  const size = batches.reduce((sum, batch) => sum + readEncoded(batch, ({ length }) => length), 0);
  const otlp = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const batch of batches) {
    readEncoded(batch, (bytes) => {
      otlp.set(bytes, at);
      at += bytes.length;
    });
  }
  const count = batches.reduce((sum, batch) => sum + batch.count, 0);
  return lend(signal, otlp, count);
}

/** Parts of at most `maxSize` items, in order. */
function split(batch: Batch, maxSize: number, lend: Lend): readonly Batch[] {
  if (maxSize === 0 || batch.count <= maxSize) return [batch];
  if (isEncoded(batch)) return readEncoded(batch, (bytes) => splitEncoded(batch.signal, bytes, maxSize, lend));
  const parts: Batch[] = [];
  for (let from = 0; from < batch.count; from += maxSize) {
    parts.push(slice(batch as MetricBatch | LogBatch, from, Math.min(from + maxSize, batch.count)));
  }
  return parts;
}

function slice(batch: MetricBatch | LogBatch, from: number, to: number): Batch {
  if (batch.signal === 'logs') {
    return { signal: 'logs', count: to - from, records: batch.records.slice(from, to) };
  }
  const rows = Uint32Array.from({ length: to - from }, (_, index) => from + index);
  const { collection: _, ...part } = selectRows(batch, rows, batch.series.slice(from, to));
  return part;
}

/** In halves of halves, because that needs no decoding. */
function splitEncoded(signal: Signal, bytes: Uint8Array, maxSize: number, lend: Lend): Batch[] {
  return splitRequest(bytes, signal).flatMap(({ body, count }): Batch[] => {
    if (count > maxSize) return splitEncoded(signal, body, maxSize, lend);
    return [lend(signal, body, count)];
  });
}

/** Sequences of layouts whose combination is kept: receivers that collect at one time may come in any order. */
const MAX_SEQUENCES = 64;

/** Hands over the same combined layout for the same sequence of layouts, so that encoders find what they derived. */
function createLayouts(): (layouts: readonly Layout[]) => Layout {
  interface Step {
    readonly next: WeakMap<Layout, Step>;
    combined?: Layout;
  }
  let root: Step = { next: new WeakMap() };
  let sequences = 0;
  return (layouts) => {
    let step = root;
    for (const layout of layouts) {
      let following = step.next.get(layout);
      if (following === undefined) step.next.set(layout, (following = { next: new WeakMap() }));
      step = following;
    }
    if (step.combined !== undefined) return step.combined;
    if (++sequences > MAX_SEQUENCES) {
      root = { next: new WeakMap() };
      sequences = 0;
    }
    return (step.combined = layouts.flat());
  };
}
