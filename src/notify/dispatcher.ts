/** Hands what the rule engine says of alerts to everybody who is to be told. */
import type { ComponentLog, CreateHttpSender } from '../component.ts';
import type { Resource } from '../model/batch.ts';
import type { Notifier } from '../rules/alert.ts';
import type { Board } from '../rules/board.ts';
import type { NotifiersConfig } from './options.ts';

export interface DispatcherOptions {
  /** Of the component, as `alert_rules`. */
  readonly id: string;
  /** What `notifierOptions` hold. */
  readonly notifiers: NotifiersConfig;
  readonly http: CreateHttpSender;
  readonly log: ComponentLog;
  /** Whose silences hold. */
  readonly board: Pick<Board, 'silences'>;
  /** Its `host.name` is said in messages. */
  readonly resource: Resource;
}

/** Takes notifications from the moment it is made, and sends them from `start` on. */
export interface Dispatcher extends Notifier {
  start(): void;
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>;
}
