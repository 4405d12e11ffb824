/** Puts a mask in the place of passwords, tokens, keys and card numbers. */
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, optional, secret } from '../../src/config/options.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { Series, type LogBatch, type LogRecord, type Resource } from '../../src/model/batch.ts';
import { createRegroup } from '../../src/model/regroup.ts';
import { compilePatterns, whatIsWrongWith } from '../../src/text/pattern.ts';
import { logSelection, metricSelection, selectRecords, selectSeries } from '../../src/text/selection.ts';
import { createMaskCounts } from './counts.ts';
import { createMasker } from './masker.ts';
import { createReplacement } from './replacement.ts';
import { ALL_RULES, SECRET_RULES, type Rule } from './rules.ts';
import { createValueMasker } from './values.ts';

const ruleName = v.picklist(ALL_RULES.map(({ name }) => name));

const ownRule = v.pipe(
  v.strictObject({
    name: v.pipe(
      v.string(),
      v.regex(/^[a-z][a-z0-9_]{0,63}$/, 'a name of lower-case letters, digits and _'),
      v.description('What is masked by it is counted under this name.'),
    ),
    pattern: v.pipe(
      v.string(),
      v.minLength(1, 'a regular expression'),
      v.description('A regular expression (RE2); if it has groups, they are masked, else the whole match.'),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const wrong = whatIsWrongWith('regexp', dataset.value.pattern);
    if (wrong !== undefined) addIssue({ message: wrong });
  }),
);

/** Whatever ends so names a secret: `db.password`, `accessToken`, `http.request.header.authorization`. */
const SECRET_KEYS = [
  '*{password,passwd,passphrase,secret,secrets,token,credential,credentials,authorization,cookie}',
  '*{api,access,account,auth,private,secret}{_,-,}key',
  '{pwd,*[._-]pwd}',
];

function globs(about: string, byDefault: string[]) {
  const glob = v.pipe(
    v.string(),
    v.rawCheck(({ dataset, addIssue }) => {
      const wrong = dataset.typed ? whatIsWrongWith('glob', dataset.value) : undefined;
      if (wrong !== undefined) addIssue({ message: wrong });
    }),
  );
  return option(v.array(glob), about, byDefault);
}

export default defineProcessor({
  type: 'redaction',
  about:
    'Puts a mask, or a hash, in the place of passwords, tokens, keys and card numbers: in the bodies of log records, in ' +
    'attributes and their names, and in attributes of metrics. How many it masked is counted by rule.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    rules: option(
      v.array(ruleName),
      'What is looked for in every text. email, ip_address and iban are there, too, but off.',
      SECRET_RULES.map(({ name }) => name),
    ),
    patterns: option(v.array(ownRule), 'Further patterns that are looked for.', []),
    keys: globs(
      'Attributes, and fields of structured bodies, whose whole value is masked: globs for the name in lower case.',
      SECRET_KEYS,
    ),
    allowed_keys: globs(
      'Attributes and fields that are left as they are, whatever is in them: globs for the name in lower case.',
      [],
    ),
    replacement: option(
      v.picklist(['mask', 'hash']),
      'What is put in the place of a secret: the same text for all, or a hash that is equal for equal secrets.',
      'mask',
    ),
    mask: option(v.string(), 'With replacement: mask, the text.', '[REDACTED]'),
    hash_key: optional(
      secret(),
      'With replacement: hash, the key of it (HMAC-SHA-256), without which secrets could be found by trying.',
    ),
    resource_attributes: option(v.boolean(), 'Whether the attributes of resources are searched, too.', true),
    metrics: option(v.strictObject(metricSelection), 'Which series are searched.', {}),
    logs: option(v.strictObject(logSelection), 'Which log records are searched.', {}),
  }),
  create({ id, pipeline, config, next, drop }) {
    const counts = createMaskCounts();
    const replace = createReplacement(id, config);
    const own: readonly Rule[] = config.patterns.map(({ name, pattern }) => ({ name, pattern, sieve: pattern }));
    const maskText = createMasker({
      rules: [...ALL_RULES.filter(({ name }) => config.rules.includes(name)), ...own],
      replace,
      masked: counts.add,
    });
    const { maskValue, maskAttributes } = createValueMasker({
      maskText,
      replace,
      isSecretKey: compilePatterns('glob', config.keys),
      isAllowedKey: compilePatterns('glob', config.allowed_keys),
      masked: counts.add,
    });
    const isSeriesMeant = selectSeries(config.metrics);
    const isRecordMeant = selectRecords(config.logs);

    const known = new WeakMap<Resource, Resource>();
    function maskResource(resource: Resource): Resource {
      if (!config.resource_attributes) return resource;
      let masked = known.get(resource);
      if (masked === undefined) {
        const attributes = maskAttributes(resource.attributes);
        masked = attributes === resource.attributes ? resource : { ...resource, attributes };
        known.set(resource, masked);
        known.set(masked, masked);
      }
      return masked;
    }

    const regroup = createRegroup({
      drop,
      change(series) {
        if (isSeriesMeant(series) !== true) return series;
        const attributes = maskAttributes(series.attributes);
        const resource = maskResource(series.resource);
        if (attributes === series.attributes && resource === series.resource) return series;
        return new Series(resource, series.scope, series.metric, attributes, series.startTime);
      },
    });

    function maskRecord(record: LogRecord): LogRecord {
      if (isRecordMeant(record) !== true) return record;
      const body = record.body === undefined ? undefined : maskValue(record.body);
      const attributes: Attributes = maskAttributes(record.attributes);
      const resource = maskResource(record.resource);
      if (body === record.body && attributes === record.attributes && resource === record.resource) return record;
      return { ...record, body, attributes, resource };
    }

    function maskRecords(batch: LogBatch): LogBatch {
      const records = batch.records.map(maskRecord);
      if (records.every((record, index) => record === batch.records[index])) return batch;
      return { signal: 'logs', count: batch.count, records };
    }

    return {
      start() {
        const of = { 'sonde.component.id': id, 'sonde.pipeline.name': pipeline };
        counts.publish(metrics.getMeter('sonde.processor.redaction'), of);
      },
      stop() {
        counts.withdraw();
      },
      consume(batch) {
        if (batch.signal === 'metrics') return next.consume(regroup(batch));
        return next.consume(batch.signal === 'logs' ? maskRecords(batch) : batch);
      },
    };
  },
});
