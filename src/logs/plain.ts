/** Lines that are text: kept whole, with the time at their front and the level near it. */
import { NO_ATTRIBUTES } from '../model/attributes.ts';
import type { ParsedLine } from './format.ts';
import { findSeverity, isKlog } from './severity_words.ts';
import type { TimeReader } from './time/reader.ts';
import { isDigit, twoDigits } from './time/scan.ts';

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

/** The line as it is, with its time and its severity, where they are at its front. */
export function readPlain(line: string, times: TimeReader): ParsedLine {
  const parsed = plainLine(line);
  parsed.time = timeAtFront(line, times) ?? 0n;
  setSeverity(parsed, line);
  return parsed;
}

/** The level that the text names, unless the line has one. */
export function setSeverity(parsed: ParsedLine, text: string): void {
  if (parsed.severityNumber !== 0) return;
  const found = findSeverity(text);
  if (found === undefined) return;
  parsed.severityNumber = found.severity;
  parsed.severityText = found.word;
}

/** At the start, in a bracket or behind one, behind klog's letter, or behind Redis's `1:M `. */
function timeAtFront(line: string, times: TimeReader): bigint | undefined {
  const first = line.charCodeAt(0);
  if (first === 0x5b || first === 0x28 || first === 0x3c) return times.readAt(line, 1) ?? timeBehindPid(line, times);
  const time = times.readAt(line, 0);
  if (time !== undefined) return time;
  if (isKlog(line)) return isDigit(line.charCodeAt(5)) ? times.readAt(line, 1) : times.readAt(klogTime(line), 0);
  const redis = /^\d{1,7}:[A-Z] /.exec(line.slice(0, 12));
  return redis === null ? undefined : times.readAt(line, redis[0].length);
}

/** `[1234] 2024/01/02 15:04:05`, of NATS. */
function timeBehindPid(line: string, times: TimeReader): bigint | undefined {
  const pid = /^\[\d{1,10}\] /.exec(line.slice(0, 13));
  return pid === null ? undefined : times.readAt(line, pid[0].length);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `0102 15:04:05.678901` as the time of syslog that it also is: `Jan 02 15:04:05.678901`. */
function klogTime(line: string): string {
  return `${MONTHS[twoDigits(line, 1) - 1] ?? ''} ${line.slice(3, 21)}`;
}
