/** Keeps a share of log records and spans, the same ones wherever the share is the same. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, optional, required } from '../../src/config/options.ts';
import type { LogBatch, TraceBatch } from '../../src/model/batch.ts';
import { rewriteSpans } from '../../src/model/otlp/rewrite_spans.ts';
import { createSampler, MODES, type Reason } from './decision.ts';
import { createLogSampling } from './logs.ts';
import { createSpanSampling, PRIORITY } from './spans.ts';

export default defineProcessor({
  type: 'probabilistic_sampler',
  about:
    'Keeps a share of log records and spans, by the trace id or an attribute: whatever is kept at a low percentage is kept at ' +
    'a higher one, too. The threshold is recorded (sampling.threshold, th in the tracestate), so that counts can be restored.',
  signals: ['logs', 'traces'],
  config: v.strictObject({
    sampling_percentage: required(
      v.pipe(v.number(), v.minValue(0)),
      'Share that is kept, in percent: 100 and more is all, 0 is nothing.',
    ),
    mode: optional(
      v.picklist(MODES),
      'How it is decided: proportional keeps the share of what arrives; equalizing takes into account what samplers before this one kept, until the share is reached; hash_seed hashes the trace id or attribute. If left out proportional, but hash_seed with a hash_seed, or where the attributes of log records decide.',
    ),
    sampling_precision: option(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(14)),
      'Hexadecimal digits of the threshold.',
      4,
    ),
    hash_seed: option(
      v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff)),
      'Where a hash decides, what is hashed before it: equal for all agents that should keep the same.',
      0,
    ),
    attribute_source: option(
      v.picklist(['traceID', 'record']),
      'For log records with hash_seed: whether the trace id decides, or from_attribute.',
      'traceID',
    ),
    from_attribute: optional(
      v.pipe(v.string(), v.minLength(1)),
      'For log records: the attribute, of the record or else of its resource, whose hash decides where there is no trace id.',
    ),
    sampling_priority: optional(
      v.pipe(v.string(), v.minLength(1)),
      'For log records: an attribute with the percentage at which the record is to be kept at least.',
    ),
    fail_closed: option(
      v.boolean(),
      'Whether what has neither trace id nor attribute is dropped, rather than kept, and what states a threshold that it should not have passed.',
      true,
    ),
  }),
  create({ config, next, drop }) {
    const isByAttribute = config.attribute_source === 'record';
    const samplerFor = (signal: 'logs' | 'traces') => {
      const isHashed = config.hash_seed !== 0 || (signal === 'logs' && isByAttribute);
      const mode = config.mode ?? (isHashed ? 'hash_seed' : 'proportional');
      const decide = createSampler({
        mode,
        percentage: config.sampling_percentage,
        precision: config.sampling_precision,
        failClosed: config.fail_closed,
      });
      return { mode, decide };
    };
    const logs = samplerFor('logs');
    const sampleRecord = createLogSampling({
      ...logs,
      seed: config.hash_seed,
      isByAttribute,
      attribute: config.from_attribute,
      priority: config.sampling_priority,
      precision: config.sampling_precision,
    });
    const sampleSpan = createSpanSampling({
      ...samplerFor('traces'),
      seed: config.hash_seed,
      failClosed: config.fail_closed,
    });

    /** How many are left out, by reason. */
    let dropped = new Map<Reason, number>();
    const leaveOut = (reason: Reason): undefined => void dropped.set(reason, (dropped.get(reason) ?? 0) + 1);
    const report = (): void => {
      for (const [reason, count] of dropped) drop(reason, count);
      dropped = new Map();
    };

    function consumeLogs(batch: LogBatch): Promise<void> | void {
      const records = batch.records.flatMap((record) => sampleRecord(record, leaveOut) ?? []);
      report();
      if (records.length === 0 && batch.count > 0) return undefined;
      return next.consume({ signal: 'logs', count: records.length, records });
    }

    function consumeTraces(batch: TraceBatch): Promise<void> | void {
      const { otlp, count } = rewriteSpans(batch.otlp, {
        attribute: PRIORITY,
        decide: (span) => sampleSpan(span, leaveOut),
      });
      report();
      if (count === 0 && batch.count > 0) return undefined;
      return next.consume(otlp === batch.otlp ? batch : { signal: 'traces', count, otlp });
    }

    return {
      consume(batch) {
        if (batch.signal === 'logs') return consumeLogs(batch);
        return batch.signal === 'traces' ? consumeTraces(batch) : next.consume(batch);
      },
    };
  },
});
