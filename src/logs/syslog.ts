/** Syslog messages: RFC 5424, and RFC 3164 as it is really written. */
import type { Attributes } from '../model/attributes.ts';

/** What a message says. */
export interface SyslogMessage {
  /** Unix nanoseconds; 0n where it does not say. */
  time: bigint;
  /** 0 (emergency) to 7 (debug); undefined where the message has no priority, as most lines of files. */
  severity: number | undefined;
  /** 0 (kernel) to 23 (local7); undefined where the message has no priority. */
  facility: number | undefined;
  /** As SeverityNumber, 0 where unknown. */
  severityNumber: number;
  /** As `err`; '' where unknown. */
  severityText: string;
  /** 1 for RFC 5424, 0 for RFC 3164. */
  version: number;
  hostname: string;
  appName: string;
  /** As written: mostly a number. */
  procId: string;
  msgId: string;
  /** Parameters by element, as `{ "exampleSDID@32473": { iut: "3" } }`. */
  structuredData: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** The text itself. */
  message: string;
  /** All but time, severity and message, by the names of the conventions: what a record carries. */
  attributes: Attributes;
}

export interface SyslogOptions {
  /** Unix nanoseconds: times without a year are the nearest to it. */
  readonly now_ns: bigint;
  /** Where times without a zone are: an IANA name, `UTC` or `Local` (the machine's own); `Local` if left out. */
  readonly location?: string | undefined;
  /** Whether a text without priority (`<13>`) is a message, as in files; false if left out. */
  readonly isPriorityOptional?: boolean | undefined;
}

/** Undefined where the text is no syslog message. Never throws. */
export function parseSyslog(text: string, _options: SyslogOptions): SyslogMessage | undefined {
  const match = /^<(\d{1,3})>/.exec(text);
  if (match === null || Number(match[1]) > 191) return undefined;
  return {
    time: 0n,
    severity: Number(match[1]) & 7,
    facility: Number(match[1]) >> 3,
    severityNumber: 0,
    severityText: '',
    version: 0,
    hostname: '',
    appName: '',
    procId: '',
    msgId: '',
    structuredData: undefined,
    message: text.slice(match[0].length),
    attributes: {},
  };
}
