/** What the dispatcher knows of a notifier, whatever its kind. */
import type { Notifier } from '../rules/alert.ts';
import { severityFilter } from './severity.ts';
import type { Labels } from '../store/queryable.ts';
import { compileMatchers, parseMatcher } from './matchers.ts';
import type { FilterConfig } from './options.ts';
import type { Transitions } from './transitions.ts';

export interface Channel extends Notifier {
  start(): void;
  /** Sends what waits, until `deadline` comes. */
  stop(deadline: AbortSignal): Promise<void>;
  readonly figures: ChannelFigures;
  /** Of those that tell each change once. */
  readonly transitions?: Transitions;
}

/** Since the start. Plain fields: whoever counts, adds. */
export interface ChannelFigures {
  /** Alerts that were delivered. */
  sent: number;
  /** Attempts that were not. */
  failed: number;
  /** Alerts that nobody will be told of, by the reason. */
  readonly dropped: Map<string, number>;
  /** Alerts that wait. */
  queued(): number;
}

export function createFigures(queued: () => number): ChannelFigures {
  return { sent: 0, failed: 0, dropped: new Map(), queued };
}

export function drop({ dropped }: ChannelFigures, reason: string, count: number): void {
  if (count > 0) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
}

/** Which alerts a notifier is for. */
export function createFilter({ min_severity, matchers }: FilterConfig): (labels: Labels) => boolean {
  const isSevere = severityFilter(min_severity);
  const matches = compileMatchers(matchers.map(parseMatcher));
  return (labels) => isSevere(labels) && matches(labels);
}
