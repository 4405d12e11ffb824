/** What users write of a format, as a receiver gets it. */
import * as v from 'valibot';
import { createLineParser, formatEntries, type LineParser, type LineParserOptions } from '../../src/logs/format.ts';

const schema = v.strictObject(formatEntries);

export function formatConfig(config: v.InferInput<typeof schema>) {
  return v.parse(schema, config);
}

/** The moment at which the tests read: behind all samples. */
export const NOW_MS = Date.parse('2026-11-22T06:00:00Z');

/** In UTC, wherever the test runs. */
export function parserOf(config: v.InferInput<typeof schema>, options: LineParserOptions = {}): LineParser {
  const timestamp = { location: 'UTC', ...config.timestamp };
  return createLineParser(formatConfig({ ...config, timestamp }), { now_ms: () => NOW_MS, ...options });
}
