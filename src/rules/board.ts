/**
 * Where what judges (alert rules, anomaly detection) says what it found, and others look: the API, the receiver
 * `alerts`, intervals that shrink while something is wrong. One for the whole agent.
 */
import type { Attributes } from '../model/attributes.ts';
import { createSilences, type Silences } from '../notify/silences.ts';
import type { Alert } from './alert.ts';

/** Something that happened, to become a log record with this event name. */
export interface Finding {
  readonly eventName: string;
  readonly time_ms: number;
  readonly severityNumber: number;
  readonly body: string;
  readonly attributes: Attributes;
}

export interface RuleStatus {
  readonly type: 'alerting' | 'recording';
  readonly name: string;
  readonly query: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly for_ms: number;
  readonly keepFiringFor_ms: number;
  readonly health: 'unknown' | 'ok' | 'err';
  readonly lastError: string;
  readonly lastEvaluation_ms: number;
  readonly evaluation_s: number;
  /** Pending and firing ones. */
  readonly alerts: readonly Alert[];
}

export interface RuleGroupStatus {
  readonly name: string;
  readonly file: string;
  readonly interval_ms: number;
  readonly limit: number;
  readonly lastEvaluation_ms: number;
  readonly evaluation_s: number;
  readonly rules: readonly RuleStatus[];
}

/** A component that judges. */
export interface Judge {
  /** As `metrics/alert_rules`. */
  readonly id: string;
  groups(): readonly RuleGroupStatus[];
}

export interface Board {
  /** @returns what takes it away again */
  add(judge: Judge): () => void;
  readonly judges: Iterable<Judge>;
  announce(finding: Finding): void;
  /** @returns what ends it */
  listen(listener: (finding: Finding) => void): () => void;
  /** Whether any alert is pending or fires now. */
  readonly isAlerting: boolean;
  /** Which alerts nobody is to be told of. */
  readonly silences: Silences;
}

/** @param silences only in memory if left out */
export function createBoard(silences = createSilences()): Board {
  const judges = new Set<Judge>();
  const listeners = new Set<(finding: Finding) => void>();
  return {
    judges,
    silences,
    add(judge) {
      judges.add(judge);
      return () => void judges.delete(judge);
    },
    announce(finding) {
      for (const listener of listeners) listener(finding);
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get isAlerting() {
      return [...judges].some((judge) =>
        judge.groups().some(({ rules }) => rules.some(({ alerts }) => alerts.length > 0)),
      );
    },
  };
}
