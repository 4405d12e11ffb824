/** The formats of log lines: from a line of text to a time, a severity, a body and attributes. */
import * as v from 'valibot';
import { option } from '../config/options.ts';
import { NO_ATTRIBUTES, type AnyValue, type Attributes } from '../model/attributes.ts';

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

/** Options of a receiver that parses lines; to be spread into its own. */
export const formatEntries = {
  format: option(v.picklist(FORMATS), 'How lines are written; auto looks at each.', 'auto'),
};

export interface FormatConfig {
  readonly format: Format;
}

/** A parser for one source of lines, as a file: what its last lines were helps with the next. */
export function createLineParser(_config: FormatConfig): LineParser {
  return { parse: plainLine };
}

/** The line as it is. */
export function plainLine(line: string): ParsedLine {
  return {
    time: 0n,
    severityNumber: 0,
    severityText: '',
    body: line,
    attributes: NO_ATTRIBUTES,
    traceId: '',
    spanId: '',
    flags: 0,
    eventName: '',
  };
}
