/** Makes one log record of many that say the same. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, positiveDuration, size } from '../../src/config/options.ts';
import { RetryableError } from '../../src/errors.ts';
import { createHeldRecords } from '../../src/held_records.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { FIELD_FORMS, parseField } from '../../src/model/record_fields.ts';
import { logSelection, selectRecords } from '../../src/text/selection.ts';
import { createGroups } from './groups.ts';

function fields(about: string) {
  const field = v.pipe(
    v.string(),
    v.check((text) => parseField(text) !== undefined, FIELD_FORMS),
  );
  return option(v.array(field), about, []);
}

const attributeName = v.pipe(v.string(), v.minLength(1));

export default defineProcessor({
  type: 'log_dedup',
  about:
    'Makes one record of all that are the same within an interval, with their number and the times of the first and the last; ' +
    'the others are counted as merged. What else the record holds is that of the first. What it holds is lost if the process ' +
    'is killed, unless senders wait.',
  signals: ['logs'],
  config: v.strictObject({
    interval: option(positiveDuration(), 'How long records are gathered.', '10s'),
    include_fields: fields(
      'Fields that must be the same, as body, body.user.id, attributes.http.route or severity_number; if there is none, all but times and trace ids. Resource and scope always must.',
    ),
    exclude_fields: fields('Fields of body and attributes that may differ; they are removed. Not with include_fields.'),
    log_count_attribute: option(attributeName, 'Attribute with the number of records.', 'log_count'),
    first_attribute: option(attributeName, 'Attribute with the time of the first.', 'first_observed_timestamp'),
    last_attribute: option(attributeName, 'Attribute with the time of the last.', 'last_observed_timestamp'),
    max_groups: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'With so many different records the interval ends early.',
      10_000,
    ),
    max_size: option(size(), 'With so much text in them, it does so, too.', '16MiB'),
    wait: option(
      v.boolean(),
      'Whether those who hand records over wait until the interval is over and what was made of them is taken. Nothing is lost then, but a sender that waits for each batch sends one in an interval, and records beside those that are gathered wait, too.',
      false,
    ),
    logs: option(v.strictObject(logSelection), 'Which log records are gathered; the others pass at once.', {}),
  }),
  create({ id, config, next, drop, hold, release, log }) {
    if (config.include_fields.length > 0 && config.exclude_fields.length > 0) {
      throw new RangeError(`Cannot create "${id}": include_fields and exclude_fields exclude each other`);
    }
    const isMeant = selectRecords(config.logs);
    const groups = createGroups({
      included: config.include_fields.length === 0 ? undefined : config.include_fields.map((text) => parseField(text)!),
      excluded: config.exclude_fields.map((text) => parseField(text)!),
      countAttribute: config.log_count_attribute,
      firstAttribute: config.first_attribute,
      lastAttribute: config.last_attribute,
    });
    const held = createHeldRecords({ next, drop, release, log });
    let timer: NodeJS.Timeout | undefined;
    /** With wait: those who wait for the end of this interval. */
    let interval = createInterval();

    /** Says how many records began a group, and how many went into one. */
    function add(batch: LogBatch): { begun: number; merged: number } {
      let begun = 0;
      let merged = 0;
      for (const record of batch.records) {
        if (isMeant(record) !== true) continue;
        if (groups.add(record)) begun++;
        else merged++;
      }
      return { begun, merged };
    }

    /** Ends the interval if there is enough: then what it resolves is to be waited for, because what follows must keep up. */
    function endInTime(waiting: number): Promise<void> | undefined {
      if (groups.count + waiting >= config.max_groups || groups.size >= config.max_size) return end();
      timer ??= setTimeout(() => void end(), config.interval);
      return undefined;
    }

    function end(): Promise<void> {
      clearTimeout(timer);
      timer = undefined;
      return config.wait ? endWaiting() : held.handOn(groups.take());
    }

    function consumeAndHold(batch: LogBatch, passing: readonly LogRecord[]): Promise<void> | undefined {
      if (held.isBlocked) {
        throw new RetryableError('Cannot take log records: those that were gathered before are not taken yet');
      }
      const passed = passing.length === 0 ? undefined : next.consume(logBatch(passing));
      const { begun, merged } = add(batch);
      if (merged > 0) drop('merged', merged);
      if (begun > 0) hold(begun);
      return both(passed ?? undefined, endInTime(0));
    }

    /** A sender has one answer for a whole batch: what is not gathered waits with the rest. */
    function consumeAndWait(batch: LogBatch, passing: readonly LogRecord[]): Promise<void> {
      const { promise } = interval;
      for (const record of passing) interval.passing.push(record);
      interval.merged += add(batch).merged;
      void endInTime(interval.passing.length);
      return promise;
    }

    function endWaiting(): Promise<void> {
      const { passing, merged, promise, resolve, reject } = interval;
      interval = createInterval();
      const settle = async (): Promise<void> => {
        await next.consume(logBatch([...passing, ...groups.take()]));
        if (merged > 0) drop('merged', merged);
      };
      settle().then(resolve, reject);
      return promise;
    }

    return {
      consume(batch) {
        if (batch.signal !== 'logs') return next.consume(batch);
        const passing = batch.records.filter((record) => isMeant(record) !== true);
        if (passing.length === batch.count) return next.consume(batch);
        return config.wait ? consumeAndWait(batch, passing) : consumeAndHold(batch, passing);
      },
      async stop() {
        // A refusal is for those who wait.
        if (groups.count > 0) await end().catch(() => undefined);
        await held.stop();
      },
    };
  },
});

function both(a: Promise<void> | undefined, b: Promise<void> | undefined): Promise<void> | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Promise.all([a, b]).then(() => undefined);
}

interface Interval extends PromiseWithResolvers<void> {
  readonly passing: LogRecord[];
  merged: number;
}

function createInterval(): Interval {
  const interval = { passing: [], merged: 0, ...Promise.withResolvers<void>() };
  // Each who waits hears of a refusal; a promise that nobody looks at would end the process.
  interval.promise.catch(() => undefined);
  return interval;
}

function logBatch(records: readonly LogRecord[]): LogBatch {
  return { signal: 'logs', count: records.length, records };
}
