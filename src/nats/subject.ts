/** Subjects: tokens between dots, where `*` stands for one token and `>` for one or more at the end. */
import * as v from 'valibot';
import type { Signal } from '../model/batch.ts';
import { option, optional } from '../config/options.ts';

const TOKEN = '[^\\s.*>]+';
const PLAIN = new RegExp(`^${TOKEN}(\\.${TOKEN})*$`);
const PATTERN = new RegExp(`^(>|(${TOKEN}|\\*)(\\.(${TOKEN}|\\*))*(\\.>)?)$`);

/** A subject to publish to. */
export function subject() {
  return v.pipe(v.string(), v.regex(PLAIN, 'a subject such as "otel.metrics"'));
}

/** A subject to receive, which may hold `*` and `>`. */
export function subjectPattern() {
  return v.pipe(v.string(), v.regex(PATTERN, 'a subject such as "otel.metrics" or "otel.*.metrics"'));
}

/** The options `subject` and `subjects` of an exporter and of its twin. */
export function subjectOptions(one: () => v.GenericSchema<string, string>, about: string) {
  return {
    subject: option(one(), `${about}; {signal} in it becomes metrics, logs or traces.`, 'otel.{signal}'),
    subjects: option(
      v.strictObject({
        metrics: optional(one(), 'For metrics.'),
        logs: optional(one(), 'For logs.'),
        traces: optional(one(), 'For traces.'),
      }),
      'Subjects of signals that differ from `subject`.',
      {},
    ),
  };
}

export interface SubjectConfig {
  readonly subject: string;
  readonly subjects: Readonly<Partial<Record<Signal, string | undefined>>>;
}

export function subjectOf({ subject: template, subjects }: SubjectConfig, signal: Signal): string {
  return subjects[signal] ?? template.replaceAll('{signal}', signal);
}

export function matchesSubject(pattern: string, name: string): boolean {
  const wanted = pattern.split('.');
  const tokens = name.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return tokens.length === wanted.length;
}
