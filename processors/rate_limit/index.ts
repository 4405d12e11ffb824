/** Lets so many log records a second through, for each of whatever they are told apart by. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, positiveDuration, required } from '../../src/config/options.ts';
import { createHeldRecords } from '../../src/held_records.ts';
import { attributesKey } from '../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { FIELD_FORMS, parseField, readField } from '../../src/model/record_fields.ts';
import { logSelection, selectRecords } from '../../src/text/selection.ts';
import { createBuckets } from './buckets.ts';
import { createSummaries } from './summaries.ts';

const field = v.pipe(
  v.string(),
  v.check((text) => parseField(text) !== undefined, FIELD_FORMS),
);

export default defineProcessor({
  type: 'rate_limit',
  about:
    'Lets so many log records a second through for each key, and leaves out the others, counted as rate_limited. Once an ' +
    'interval a record for each such key says how many; it takes the place of one of them.',
  signals: ['logs'],
  config: v.strictObject({
    records_per_second: required(
      v.pipe(v.number(), v.gtValue(0)),
      'Records of a key that pass in the long run; less than 1 is one in more than a second.',
    ),
    burst: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Records of a key that pass at once after a silence.',
      100,
    ),
    key: option(
      v.array(field),
      'Fields whose values make the key, as resource.service.name, attributes.log.file.name, event_name or body; if there is none, all records share one.',
      [],
    ),
    max_keys: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most keys that are told apart at a time; those beyond share one limit.',
      10_000,
    ),
    summary: option(v.boolean(), 'Whether a record says what was left out.', true),
    summary_interval: option(positiveDuration(), 'How often it does.', '1m'),
    logs: option(v.strictObject(logSelection), 'Which log records are limited; the others pass.', {}),
  }),
  create({ config, next, drop, hold, release, log }) {
    const isMeant = selectRecords(config.logs);
    const fields = config.key.map((text) => parseField(text)!);
    const buckets = createBuckets({
      rate: config.records_per_second,
      burst: config.burst,
      max_keys: config.max_keys,
    });
    const summaries = createSummaries(fields);
    const held = createHeldRecords({ next, drop, release, log });
    let timer: NodeJS.Timeout | undefined;

    function keyOf(record: LogRecord): string {
      if (fields.length === 0) return '';
      return attributesKey(Object.fromEntries(fields.map((each) => [each.text, readField(record, each) ?? null])));
    }

    function passes(record: LogRecord, now_ms: number, leaveOut: (isHeld: boolean) => void): boolean {
      if (isMeant(record) !== true) return true;
      const key = keyOf(record);
      if (buckets.take(key, now_ms)) return true;
      leaveOut(config.summary && summaries.add(key, record, buckets.isCrowdedOut(key)));
      return false;
    }

    function limit(batch: LogBatch): LogBatch {
      const now_ms = performance.now();
      let dropped = 0;
      let begun = 0;
      const records = batch.records.filter((record) =>
        passes(record, now_ms, (isHeld) => {
          if (isHeld) begun++;
          else dropped++;
        }),
      );
      if (dropped > 0) drop('rate_limited', dropped);
      if (begun > 0) hold(begun);
      return records.length === batch.count ? batch : { signal: 'logs', count: records.length, records };
    }

    function summarize(): void {
      timer = undefined;
      buckets.sweep(performance.now());
      // While those before are not taken these go on counting, so that there is never more than one waiting for a key.
      if (!held.isBlocked) void held.handOn(summaries.take(BigInt(Date.now()) * 1_000_000n));
      // Without a bucket to forget there is nothing to do until the next record.
      if (buckets.count + summaries.count > 0) schedule();
    }

    function schedule(): void {
      timer ??= setTimeout(summarize, config.summary_interval);
    }

    return {
      consume(batch) {
        if (batch.signal !== 'logs') return next.consume(batch);
        const limited = limit(batch);
        if (buckets.count + summaries.count > 0) schedule();
        return limited.count === 0 && batch.count > 0 ? undefined : next.consume(limited);
      },
      async stop() {
        clearTimeout(timer);
        void held.handOn(summaries.take(BigInt(Date.now()) * 1_000_000n));
        await held.stop();
      },
    };
  },
});
