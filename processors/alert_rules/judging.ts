/** The groups of a processor at work: each at its times, what comes of it to the pipeline, the board and those who are told. */
import type { ComponentLog, Consumer } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import type { MetricBatch, Resource } from '../../src/model/batch.ts';
import type { Notifier } from '../../src/rules/alert.ts';
import type { Board, RuleGroupStatus } from '../../src/rules/board.ts';
import type { Evaluation, GroupOptions, RuleSample, Surroundings } from '../../src/rules/evaluation.ts';
import { createGroup, type GroupMemory, type GroupRun } from '../../src/rules/group.ts';
import type { RuleGroup } from '../../src/rules/rule.ts';
import type { Clock } from '../../src/scheduler.ts';
import type { Ask } from './asking.ts';
import { createEmitter, type Emitter } from './emitter.ts';
import type { GroupFigures } from './figures.ts';
import { findingOf } from './findings.ts';
import type { Memories } from './state_file.ts';
import { everyTick, type Turn } from './timetable.ts';

export interface JudgingOptions {
  /** As `alert_rules/disks`: begins the names of its collections. */
  readonly id: string;
  /** Spreads the times of equal groups over a fleet. */
  readonly instance: string;
  readonly groups: readonly RuleGroup[];
  readonly group: GroupOptions;
  readonly ask: Ask;
  readonly append: (sample: RuleSample) => string | undefined;
  readonly clock: Clock;
  readonly next: Consumer;
  readonly board: Board;
  readonly notifier: Notifier;
  readonly resource: Resource;
  readonly log: ComponentLog;
  /** Called after each evaluation, and with true where alerts changed. */
  readonly onEvaluated: (hasChanged: boolean) => void;
}

export interface Judging {
  start(): void;
  /** Resolves when no evaluation is under way any more. */
  pause(): Promise<void>;
  status(): readonly RuleGroupStatus[];
  figures(): readonly GroupFigures[];
  memories(): Memories;
  /** What an earlier process left. */
  restore(memories: Memories): void;
  /** What an earlier configuration left; what it showed that is no more ends. */
  takeOver(memories: Memories, emitters: ReadonlyMap<string, Emitter>): void;
  readonly emitters: ReadonlyMap<string, Emitter>;
  /** What is shown is shown no more. */
  clear(): Promise<void>;
}

interface Judged {
  readonly key: string;
  readonly run: GroupRun;
  readonly emitter: Emitter;
  evaluations: number;
  missed: number;
  failures: number;
  textErrors: number;
  total_s: number;
  last_s: number;
  underWay: Promise<void> | undefined;
  /** What is on its way to what follows: an evaluation does not wait for it, and what comes meanwhile is left out. */
  handingOver: Promise<void> | undefined;
}

/** The event loop is let go after so long, between two rules. */
const LONGEST_HOLD_MS = 10;

export function groupKey({ file, name }: Pick<RuleGroup, 'file' | 'name'>): string {
  return `${file};${name}`;
}

export function createJudging(options: JudgingOptions): Judging {
  const { id, clock, next, board, notifier, log, ask, append, onEvaluated } = options;
  const all: Judged[] = options.groups.map((group) => ({
    key: groupKey(group),
    run: createGroup(group, options.group),
    emitter: createEmitter(`${id};${groupKey(group)}`, options.resource),
    evaluations: 0,
    missed: 0,
    failures: 0,
    textErrors: 0,
    total_s: 0,
    last_s: 0,
    underWay: undefined,
    handingOver: undefined,
  }));
  let cancels: (() => void)[] = [];
  let isPaused = true;
  /** Of groups that are no more, until what they showed has ended. */
  let orphans: Emitter[] = [];

  function turn(judged: Judged, { time_ms, missed }: Turn): void {
    judged.missed += missed;
    if (judged.underWay !== undefined) {
      judged.missed++;
      return;
    }
    judged.underWay = evaluate(judged, time_ms)
      .catch((error: unknown) => log.error(`Cannot finish an evaluation: ${messageOf(error)}`))
      .finally(() => (judged.underWay = undefined));
  }

  async function evaluate(judged: Judged, time_ms: number): Promise<void> {
    let since_ms = performance.now();
    let worked_ms = 0;
    // What others do in between is not the rule's time.
    const monotonic_ms = (): number => worked_ms + performance.now() - since_ms;
    const around: Surroundings = { query: ask, append, monotonic_ms };
    const steps = judged.run.steps(time_ms, around);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      const held_ms = performance.now() - since_ms;
      if (held_ms < LONGEST_HOLD_MS) continue;
      worked_ms += held_ms;
      await new Promise((resolve) => setImmediate(resolve));
      since_ms = performance.now();
    }
    judged.evaluations++;
    judged.last_s = monotonic_ms() / 1000;
    judged.total_s += judged.last_s;
    tell(judged, step.value);
  }

  function tell(judged: Judged, evaluation: Evaluation): void {
    const { time_ms, samples, transitions, notifications, failures, textErrors } = evaluation;
    judged.failures += failures.length;
    judged.textErrors += textErrors.length;
    const { name } = judged.run.group;
    for (const { rule, error } of failures) {
      log.once(`rule ${judged.key} ${rule}`, `Cannot evaluate rule "${rule}" of group "${name}": ${error}`);
    }
    for (const { rule, error } of textErrors) {
      log.once(`text ${judged.key} ${rule}`, `Cannot expand a text of alert "${rule}" of group "${name}": ${error}`);
    }
    if (failures.length === 0)
      for (const { name: rule } of judged.run.group.rules)
        log.over(`rule ${judged.key} ${rule}`, `Rule "${rule}" of group "${name}" is evaluated again`);
    // Kept before it is told, so that whoever is told is told the same after a crash.
    onEvaluated(transitions.length > 0);
    if (notifications.length > 0) notifier.notify(notifications, time_ms);
    for (const transition of transitions) board.announce(findingOf(transition, time_ms));
    // A pipeline that stands still must not keep alerts from being judged.
    if (judged.handingOver !== undefined) return;
    const batches = judged.emitter.batches(samples, samples[0]?.time_ms ?? time_ms);
    judged.handingOver = handOver([...endOrphans(time_ms), ...batches]).finally(() => (judged.handingOver = undefined));
  }

  function endOrphans(time_ms: number): MetricBatch[] {
    const gone = orphans;
    orphans = [];
    return gone.flatMap((emitter) => emitter.batches([], time_ms));
  }

  /** The next evaluation brings newer values: what is not taken now is not tried again. */
  async function handOver(batches: readonly MetricBatch[]): Promise<void> {
    try {
      for (const batch of batches) {
        const pending = next.consume(batch);
        // What is taken at once makes nobody wait.
        if (pending !== undefined) await pending;
      }
      log.over('refused', 'What rules make is taken again');
    } catch (error) {
      log.once('refused', `Cannot hand on what rules made: ${messageOf(error)}`);
    }
  }

  return {
    emitters: new Map(all.map(({ key, emitter }) => [key, emitter])),
    start() {
      isPaused = false;
      cancels = all.map((judged) =>
        everyTick(clock, `${options.instance};${judged.key}`, judged.run.interval_ms, (tick) => {
          if (!isPaused) turn(judged, tick);
        }),
      );
    },
    async pause() {
      isPaused = true;
      for (const cancel of cancels.splice(0)) cancel();
      await Promise.all(all.map(({ underWay }) => underWay));
    },
    status: () => all.map(({ run }) => run.status()),
    figures: () =>
      all.map(({ run, evaluations, missed, failures, textErrors, total_s, last_s }) => ({
        ...run.counts(),
        group: run.group.name,
        evaluations,
        missed,
        failures,
        textErrors,
        total_s,
        last_s,
      })),
    memories: () => new Map(all.map(({ key, run }): [string, GroupMemory] => [key, run.memory()])),
    restore(memories) {
      for (const { key, run } of all) {
        const memory = memories.get(key);
        if (memory !== undefined) run.restore(memory, clock.now());
      }
    },
    takeOver(memories, emitters) {
      for (const { key, run, emitter } of all) {
        const memory = memories.get(key);
        if (memory !== undefined) run.takeOver(memory, clock.now());
        const before = emitters.get(key);
        if (before !== undefined) emitter.takeOver(before.shown);
      }
      const keys = new Set(all.map(({ key }) => key));
      orphans.push(...[...emitters].filter(([key]) => !keys.has(key)).map(([, emitter]) => emitter));
    },
    async clear() {
      for (const { emitter } of all) await handOver([emitter.nothing(clock.now())]);
    },
  };
}
