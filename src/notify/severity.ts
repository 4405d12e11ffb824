/** How bad an alert is, by its label `severity`, whose words every house chooses for itself. */
import type { Labels } from '../store/queryable.ts';

/** From little to bad. */
export const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

const WORDS: Readonly<Record<string, Severity>> = {
  none: 'info',
  debug: 'info',
  info: 'info',
  informational: 'info',
  notice: 'info',
  low: 'info',
  ok: 'info',
  p5: 'info',
  p4: 'info',
  warning: 'warning',
  warn: 'warning',
  minor: 'warning',
  medium: 'warning',
  p3: 'warning',
  error: 'error',
  err: 'error',
  major: 'error',
  high: 'error',
  average: 'error',
  p2: 'error',
  critical: 'critical',
  crit: 'critical',
  page: 'critical',
  emergency: 'critical',
  emerg: 'critical',
  fatal: 'critical',
  disaster: 'critical',
  alert: 'critical',
  p1: 'critical',
};

/** Undefined where the alert has no such label, or one of unknown meaning. */
export function severityOf(labels: Labels): Severity | undefined {
  const word = labels.get('severity')?.trim().toLowerCase();
  return word !== undefined && Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

/** Lets through what is at least so bad, and what cannot be compared: an alert is not lost for a word. */
export function severityFilter(least: Severity | undefined): (labels: Labels) => boolean {
  if (least === undefined) return () => true;
  return (labels) => {
    const severity = severityOf(labels);
    return severity === undefined || SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
  };
}
