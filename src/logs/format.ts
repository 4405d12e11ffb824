/** The formats of log lines: from a line of text to a time, a severity, a body and attributes. */
import * as v from 'valibot';
import { option } from '../config/options.ts';
import { ConfigError } from '../errors.ts';
import type { AnyValue, Attributes } from '../model/attributes.ts';
import { createAutoParser } from './auto.ts';
import { createClfParser } from './clf.ts';
import { parseCri, parseDocker } from './container.ts';
import { createFieldsReader } from './fields.ts';
import { createJsonParser } from './json.ts';
import { severityOption, type SeverityConfig } from './levels.ts';
import { createLogfmtParser } from './logfmt.ts';
import { plainLine, setSeverity } from './plain.ts';
import { createRegexParser, patternOption } from './regex.ts';
import { parseMessage, type SyslogMessage } from './syslog.ts';
import { createTimeReader, timestampOption, type TimestampConfig } from './time/reader.ts';

export const FORMATS = ['auto', 'none', 'json', 'logfmt', 'syslog', 'clf', 'cri', 'docker', 'regex'] as const;
export type Format = (typeof FORMATS)[number];

/** What a line says. */
export interface ParsedLine {
  /** Unix nanoseconds; 0n where the line does not say. */
  time: bigint;
  /** 1 to 24; 0 where the line does not say. */
  severityNumber: number;
  /** As the line has it. */
  severityText: string;
  body: AnyValue | undefined;
  attributes: Attributes;
  /** Lower-case hex, '' where absent. */
  traceId: string;
  spanId: string;
  /** W3C trace flags. */
  flags: number;
  /** '' for a line that is no event. */
  eventName: string;
  /** Of container runtimes: the next line of the same stream (`log.iostream`) continues this one. */
  isPartial?: boolean;
}

export interface LineParser {
  /** Undefined where the line is not of the format: the caller then keeps it whole. Never throws. */
  parse(line: string): ParsedLine | undefined;
}

const CONTENTS = ['auto', 'none', 'json', 'logfmt'] as const;

/** Options of a receiver that parses lines; to be spread into its own. */
export const formatEntries = {
  format: option(
    v.picklist(FORMATS),
    'How lines are written. auto looks at each, and takes what is surely of a format as such; none keeps lines as they are; clf is the access log of Apache and nginx, common or combined; cri and docker are the log files of container runtimes; regex goes by pattern. A line that is not of its format is kept whole.',
    'auto',
  ),
  pattern: patternOption,
  content: option(
    v.picklist(CONTENTS),
    'With auto, cri and docker, how the lines are written that a container writes.',
    'auto',
  ),
  timestamp: timestampOption,
  severity: severityOption,
};

export interface FormatConfig {
  readonly format: Format;
  readonly pattern?: string | undefined;
  readonly content: (typeof CONTENTS)[number];
  readonly timestamp: TimestampConfig;
  readonly severity: SeverityConfig;
}

export interface LineParserOptions {
  /** Where the options stand, for errors, as `receivers.logs`. */
  readonly path?: string | undefined;
  /** Unix milliseconds. */
  readonly now_ms?: (() => number) | undefined;
}

/** Characters; nothing that a program logs is longer, and data that is would hold up the loop: it is kept whole. */
const MAX_LENGTH = 1 << 20;

/**
 * A parser for one source of lines, as a file: what its last lines were helps with the next.
 * @throws {ConfigError} where options do not fit each other
 */
export function createLineParser(config: FormatConfig, options: LineParserOptions = {}): LineParser {
  checkFormat(config, options.path ?? '');
  const parser = createParser(config, options.now_ms);
  const { parse } = parser;
  return config.format === 'none' ? parser : { parse: (line) => (line.length > MAX_LENGTH ? undefined : parse(line)) };
}

function createParser(config: FormatConfig, now_ms: (() => number) | undefined): LineParser {
  const { format } = config;
  if (format === 'none') return { parse: plainLine };
  const times = createTimeReader(config.timestamp, now_ms);
  const fields = createFieldsReader(config, times);
  const syslog = (line: string): SyslogMessage | undefined => parseMessage(line, times, true);
  switch (format) {
    case 'json':
      return createJsonParser(fields);
    case 'logfmt':
      return createLogfmtParser(fields);
    case 'syslog':
      return {
        parse: (line) => {
          const message = syslog(line);
          return message && syslogLine(message);
        },
      };
    case 'clf':
      return createClfParser(times);
    case 'regex':
      return createRegexParser(config.pattern!, fields, config);
    default:
      return createContainerParser(config, now_ms);
  }
}

/** Of `cri`, `docker` and `auto`, whose lines hold lines. The times of runtimes are RFC 3339, whatever the containers write. */
function createContainerParser(config: FormatConfig, now_ms: (() => number) | undefined): LineParser {
  const runtimeTimes = createTimeReader({ location: 'UTC' }, now_ms);
  const inner = createContentParser(config, now_ms);
  /** Streams whose last line was a part: the next one is not a whole line. */
  const unfinished = new Set<AnyValue | undefined>();

  const parseContent = (line: ParsedLine): ParsedLine => {
    const content = typeof line.body === 'string' ? inner(line.body) : undefined;
    if (content === undefined) return line;
    return {
      ...content,
      time: isNear(content.time, line.time) ? content.time : line.time,
      attributes: { ...content.attributes, ...line.attributes },
    };
  };
  const contained = (parseRuntime: typeof parseCri) => {
    return (line: string): ParsedLine | undefined => {
      const parsed = parseRuntime(line, runtimeTimes);
      if (parsed === undefined) return undefined;
      const stream = parsed.attributes['log.iostream'];
      if (parsed.isPartial === true) {
        unfinished.add(stream);
        return parsed;
      }
      return unfinished.delete(stream) ? parsed : parseContent(parsed);
    };
  };
  const cri = contained(parseCri);
  const docker = contained(parseDocker);
  if (config.format === 'cri') return { parse: cri };
  if (config.format === 'docker') return { parse: docker };
  return { parse: createAuto(config, { cri, docker }, now_ms) };
}

const QUARTER_NS = 900_000_000_000n;

/** What a container writes may lack a zone; zones are quarters of an hour apart, so that a nearer time is in the right one. */
function isNear(time: bigint, other: bigint): boolean {
  const distance = time - other;
  return distance < QUARTER_NS && distance > -QUARTER_NS;
}

function createContentParser(
  config: FormatConfig,
  now_ms: (() => number) | undefined,
): (line: string) => ParsedLine | undefined {
  const none = (): undefined => undefined;
  if (config.content === 'auto') return createAuto(config, { cri: none, docker: none }, now_ms);
  return config.content === 'none' ? none : createParser({ ...config, format: config.content }, now_ms).parse;
}

type Contained = Readonly<Record<'cri' | 'docker', (line: string) => ParsedLine | undefined>>;

function createAuto(config: FormatConfig, contained: Contained, now_ms: (() => number) | undefined) {
  const times = createTimeReader(config.timestamp, now_ms);
  // A layout of the user's is for their own lines; access logs and syslog have theirs.
  const usualTimes = createTimeReader({ location: config.timestamp.location }, now_ms);
  const fields = createFieldsReader(config, times);
  const formats = {
    ...contained,
    json: createJsonParser(fields).parse,
    clf: createClfParser(usualTimes).parse,
    syslog: (line: string) => parseMessage(line, usualTimes, true),
    toLine: syslogLine,
  };
  return createAutoParser(formats, fields, times);
}

function syslogLine(message: SyslogMessage): ParsedLine {
  const line: ParsedLine = {
    time: message.time,
    severityNumber: message.severityNumber,
    severityText: message.severityText,
    body: message.message,
    attributes: message.attributes,
    traceId: '',
    spanId: '',
    flags: 0,
    eventName: '',
  };
  // Files leave the priority out.
  setSeverity(line, message.message);
  return line;
}

/** @throws {ConfigError} */
function checkFormat({ format, pattern, timestamp, severity }: FormatConfig, path: string): void {
  const refuse = (option: string, message: string, hint: string): never => {
    throw new ConfigError([{ message, path: path === '' ? option : `${path}.${option}`, hint }]);
  };
  if (format === 'regex' && pattern === undefined) {
    refuse('format', 'Cannot parse lines by a regular expression: pattern is missing', 'Write pattern: ^(?P<time>…');
  }
  if (format !== 'regex' && pattern !== undefined) {
    refuse('pattern', `Cannot parse lines by a pattern: the format is ${format}`, 'Write format: regex');
  }
  const hasFields = format !== 'none' && format !== 'syslog' && format !== 'clf';
  for (const [option, field] of [['timestamp', timestamp.field] as const, ['severity', severity.field] as const]) {
    if (field === undefined || hasFields) continue;
    refuse(
      `${option}.field`,
      `Cannot look for a field "${field}": lines of the format ${format} have none`,
      'Leave it out',
    );
  }
}
