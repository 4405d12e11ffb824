/** The options that say which lines belong together. */
import * as v from 'valibot';
import { option, optional } from '../../src/config/options.ts';
import { compileRegExp } from '../../src/text/regexp.ts';
import { whatIsWrongWith } from '../../src/text/pattern.ts';
import type { GroupOptions, Multiline } from './groups.ts';

const pattern = () =>
  v.pipe(
    v.string('a regular expression'),
    v.check(
      (text) => whatIsWrongWith('regexp', text) === undefined,
      (issue) => whatIsWrongWith('regexp', issue.input)!,
    ),
    v.metadata({ format: 'regexp' }),
  );

export function multilineOptions() {
  return v.pipe(
    v.strictObject({
      start_pattern: optional(pattern(), 'A line that fits this regular expression begins a record.'),
      end_pattern: optional(pattern(), 'A line that fits this regular expression ends a record.'),
      indented: option(v.boolean(), 'Whether a line that begins with a blank or a tab continues the record.', false),
      max_lines: option(
        v.pipe(v.number(), v.integer(), v.minValue(2)),
        'A record with as many lines is complete.',
        500,
      ),
    }),
    v.check(
      ({ start_pattern, indented }) => start_pattern === undefined || !indented,
      'either start_pattern or indented: both say how a record begins',
    ),
  );
}

type MultilineConfig = v.InferOutput<ReturnType<typeof multilineOptions>>;

/** Undefined where each line is a record. */
export function groupingOf(config: {
  readonly format: string;
  readonly multiline: MultilineConfig;
  readonly max_line_size: number;
}): GroupOptions | undefined {
  const { format, max_line_size: max_bytes } = config;
  const multiline = multilineOf(config.multiline);
  const containers = format === 'auto' ? 'any' : format === 'cri' || format === 'docker' ? format : 'none';
  return multiline === undefined && containers === 'none' ? undefined : { containers, multiline, max_bytes };
}

function multilineOf({ start_pattern, end_pattern, indented, max_lines }: MultilineConfig): Multiline | undefined {
  if (start_pattern === undefined && end_pattern === undefined && !indented) return undefined;
  const ends = end_pattern === undefined ? undefined : compileRegExp(end_pattern).matches;
  if (indented) return { begins: (line) => !/^[ \t]/.test(line), ends, max_lines };
  const begins = start_pattern === undefined ? undefined : compileRegExp(start_pattern).matches;
  return { begins, ends, max_lines };
}
