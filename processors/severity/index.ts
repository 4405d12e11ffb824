/** Gives log records the severity that they state somewhere. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, optional } from '../../src/config/options.ts';
import { DoubleValue, type AnyValue, type Attributes } from '../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { severityName } from '../../src/model/severity.ts';
import { whatIsWrongWith } from '../../src/text/pattern.ts';
import { compileRegExp } from '../../src/text/regexp.ts';
import { logSelection, selectRecords } from '../../src/text/selection.ts';
import { valueText } from '../../src/text/value_text.ts';
import { findWords } from '../../src/logs/severity_words.ts';
import { createLevels, NUMBERS, severity } from '../../src/logs/levels.ts';

const pattern = v.pipe(
  v.string(),
  v.minLength(1, 'a regular expression'),
  v.rawCheck(({ dataset, addIssue }) => {
    const wrong = dataset.typed ? whatIsWrongWith('regexp', dataset.value) : undefined;
    if (wrong !== undefined) addIssue({ message: wrong });
  }),
);

/** Where a record states its severity, and what it says there. */
interface Statement {
  readonly level: AnyValue;
  /** The attribute that says it. */
  readonly attribute?: string;
}

export default defineProcessor({
  type: 'severity',
  about:
    'Sets the severity of log records: from an attribute or a field of a structured body, from what a regular expression ' +
    'finds in the body, or from a word such as ERROR in it; the first that names a severity is taken.',
  signals: ['logs'],
  config: v.strictObject({
    attributes: option(
      v.array(v.string()),
      'Attributes, or fields of a structured body, that may name the severity; the first that is there.',
      ['level', 'severity', 'log.level', 'lvl', 'loglevel'],
    ),
    pattern: optional(
      pattern,
      'A regular expression (RE2) for the body: the group named severity, else the first group, else the whole match is the level.',
    ),
    words: option(
      v.boolean(),
      'Whether words of the body, or of its field message or msg, count: ERROR, [error], level=error, error: at the start, and the letter of klog and glog.',
      true,
    ),
    mapping: option(
      v.record(v.string(), severity()),
      'Further words, in any case, and the severity that each is: a number from 1 to 24, or as info or warn2. They go before those that are known.',
      {},
    ),
    numbers: option(
      v.picklist(NUMBERS),
      'What a level that is a number means: nothing; a severity number; of syslog and journald (0 to 7); of pino and bunyan (10 is trace); of Python (10 is debug).',
      'none',
    ),
    default: optional(severity(), 'Severity of records that name none; they stay without one if left out.'),
    overwrite: option(v.boolean(), 'Whether records that have a severity get another if they name one.', false),
    text: option(
      v.picklist(['original', 'short_name']),
      'What the text of the severity becomes: the level as it was found, or the name of the number, as WARN.',
      'original',
    ),
    remove: option(v.boolean(), 'Whether the attribute that named it is removed.', false),
    logs: option(v.strictObject(logSelection), 'Which log records are looked at.', {}),
  }),
  create({ config, next }) {
    const isMeant = selectRecords(config.logs);
    const severityOf = createLevels(config.mapping, config.numbers);
    const find = config.pattern === undefined ? undefined : createFinder(config.pattern);

    function* statements({ attributes, body, severityText }: LogRecord): Generator<Statement> {
      const fields = isMap(body) ? body : {};
      for (const attribute of config.attributes) {
        if (Object.hasOwn(attributes, attribute)) yield { level: attributes[attribute]!, attribute };
        else if (Object.hasOwn(fields, attribute)) yield { level: fields[attribute]! };
      }
      if (severityText !== '') yield { level: severityText };
      const found = find?.(valueText(body));
      if (found !== undefined) yield { level: found };
      const message = fields['message'] ?? fields['msg'] ?? body;
      if (config.words && typeof message === 'string') for (const level of findWords(message)) yield { level };
    }

    function withSeverity(record: LogRecord): LogRecord {
      if ((record.severityNumber !== 0 && !config.overwrite) || isMeant(record) !== true) return record;
      for (const { level, attribute } of statements(record)) {
        const severityNumber = severityOf(level);
        if (severityNumber === undefined) continue;
        const severityText = config.text === 'original' ? valueText(level) : severityName(severityNumber);
        const attributes =
          config.remove && attribute !== undefined ? without(record.attributes, attribute) : record.attributes;
        return { ...record, severityNumber, severityText, attributes };
      }
      if (config.default === undefined || record.severityNumber !== 0) return record;
      const severityText = record.severityText === '' ? severityName(config.default) : record.severityText;
      return { ...record, severityNumber: config.default, severityText };
    }

    function change(batch: LogBatch): LogBatch {
      const records = batch.records.map(withSeverity);
      if (records.every((record, index) => record === batch.records[index])) return batch;
      return { signal: 'logs', count: batch.count, records };
    }

    return {
      consume: (batch) => next.consume(batch.signal === 'logs' ? change(batch) : batch),
    };
  },
});

function createFinder(source: string): (text: string) => string | undefined {
  const { matches, find, groupNames, groupCount } = compileRegExp(source);
  const group = groupNames.get('severity') ?? Math.min(groupCount, 1);
  return (text) => (matches(text) ? find(text)?.groups[group] : undefined);
}

function isMap(value: AnyValue | undefined): value is Attributes {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && !(Array.isArray(value) || value instanceof Uint8Array || value instanceof DoubleValue);
}

function without(attributes: Attributes, key: string): Attributes {
  const { [key]: _, ...rest } = attributes;
  return rest;
}
