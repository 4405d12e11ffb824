/** What is owed to whom: the side of the test that is never killed. */
import type { Books } from './agent_life.ts';
import { NUMBERED_SIGNALS, type NumberedSignal } from './numbered.ts';

/** One queue of the agent, and what the back end behind it has got. */
export interface Queue {
  /** As `otlp/always logs`. */
  readonly key: string;
  readonly exporter: string;
  readonly signal: NumberedSignal;
  /** Life of the latest arrival, by number. */
  readonly arrived: Map<number, number>;
  /** In records that were damaged on purpose. */
  readonly excused: Set<number>;
  /** Items that whoever drains it next has to count as damaged: from, to. */
  corrupt: readonly [number, number];
  /** One for each life. */
  readonly lives: QueueLife[];
}

interface QueueLife {
  arrivals: number;
  /** Items that came again in a later life, or in this one. */
  repeated: number;
  largestRequest: number;
  /** Items that the back end took without being able to say so. */
  unanswered: number;
}

interface Life {
  readonly acknowledged: Record<NumberedSignal, number>;
  readonly offered: Record<NumberedSignal, number>;
  reloads: number;
}

export interface Obligations {
  readonly queues: readonly Queue[];
  readonly lives: readonly Life[];
  beginLife(): void;
  reloaded(): void;
  /** Numbers for a new request. */
  offer(signal: NumberedSignal, count: number): number[];
  /** The agent answered 200. */
  owe(signal: NumberedSignal, numbers: readonly number[]): void;
  arrive(exporter: string, signal: NumberedSignal, numbers: readonly number[]): void;
  unanswered(exporter: string, signal: NumberedSignal, count: number): void;
  /** Owed, and neither arrived nor excused. */
  missing(queue: Queue): number[];
  owed(signal: NumberedSignal): number;
  /** What may wait in a queue now: at least, at most. */
  waiting(queue: Queue): readonly [number, number];
  /** What came more than once, beside what may. */
  repeats(): { readonly items: number; readonly tooMany: readonly string[] };
}

export function createObligations(concurrencyOf: Readonly<Record<string, number>>): Obligations {
  const queues = Object.keys(concurrencyOf).flatMap((exporter) =>
    NUMBERED_SIGNALS.map((signal): Queue => ({
      key: `${exporter} ${signal}`,
      exporter,
      signal,
      arrived: new Map(),
      excused: new Set(),
      corrupt: [0, 0],
      lives: [],
    })),
  );
  const lives: Life[] = [];
  const owed = { metrics: new Set<number>(), logs: new Set<number>() };
  const offered = { metrics: new Set<number>(), logs: new Set<number>() };
  let last = 0;

  const find = (exporter: string, signal: NumberedSignal): Queue =>
    queues.find((one) => one.exporter === exporter && one.signal === signal)!;

  /** Requests under way when a life or an exporter of it ended may come again, and what the back end kept to itself. */
  function mayRepeat({ exporter, lives: own }: Queue, life: number): number {
    const { largestRequest, unanswered } = own[life]!;
    return concurrencyOf[exporter]! * largestRequest * (1 + lives[life]!.reloads) + unanswered;
  }

  return {
    queues,
    lives,
    beginLife() {
      lives.push({ acknowledged: { metrics: 0, logs: 0 }, offered: { metrics: 0, logs: 0 }, reloads: 0 });
      for (const queue of queues) {
        queue.lives.push({ arrivals: 0, repeated: 0, largestRequest: 0, unanswered: 0 });
      }
    },
    reloaded() {
      lives.at(-1)!.reloads += 1;
    },
    offer(signal, count) {
      const numbers = Array.from({ length: count }, () => last++);
      for (const number of numbers) offered[signal].add(number);
      lives.at(-1)!.offered[signal] += count;
      return numbers;
    },
    owe(signal, numbers) {
      for (const number of numbers) owed[signal].add(number);
      lives.at(-1)!.acknowledged[signal] += numbers.length;
    },
    arrive(exporter, signal, numbers) {
      const { arrived, lives: own } = find(exporter, signal);
      const now = own.at(-1)!;
      now.arrivals += numbers.length;
      now.largestRequest = Math.max(now.largestRequest, numbers.length);
      for (const number of numbers) {
        if (!offered[signal].has(number)) throw new Error(`${exporter} ${signal}: nobody sent ${number}`);
        const before = arrived.get(number);
        if (before !== undefined) own[before]!.repeated += 1;
        arrived.set(number, own.length - 1);
      }
    },
    unanswered(exporter, signal, count) {
      find(exporter, signal).lives.at(-1)!.unanswered += count;
    },
    missing: ({ signal, arrived, excused }) =>
      [...owed[signal]].filter((one) => !arrived.has(one) && !excused.has(one)),
    owed: (signal) => owed[signal].size,
    waiting(queue) {
      const { signal, arrived, excused, lives: own } = queue;
      let [least, most] = [0, 0];
      for (const number of offered[signal]) {
        if (arrived.has(number)) continue;
        most += 1;
        if (owed[signal].has(number) && !excused.has(number)) least += 1;
      }
      for (let life = 0; life < own.length; life++) most += mayRepeat(queue, life);
      return [least, most];
    },
    repeats() {
      let items = 0;
      const tooMany: string[] = [];
      for (const queue of queues) {
        for (const [life, { repeated }] of queue.lives.entries()) {
          items += repeated;
          const allowed = mayRepeat(queue, life);
          if (repeated > allowed) tooMany.push(`${queue.key}: ${repeated} of life ${life} again, and not ${allowed}`);
        }
      }
      return { items, tooMany };
    },
  };
}

/** What is wrong with the books, by themselves and beside what is owed; `isQuiet`: nothing is under way, all has arrived. */
export function discrepancies(
  books: Books,
  { queues, lives, waiting }: Obligations,
  acknowledgedBefore: Readonly<Record<NumberedSignal, number>>,
  recoverable: ReadonlyMap<string, readonly [number, number]>,
  isQuiet: boolean,
): string[] {
  const { offered, reloads } = lives.at(-1)!;
  return queues.flatMap((queue) => {
    const { key, signal, corrupt } = queue;
    const ledger = books.get(key);
    if (ledger === undefined) return [`${key}: it has no figures`];
    const { accepted, recovered, sent, dropped, queued } = ledger;
    const { corrupt: counted = 0, ...others } = dropped;
    const found: string[] = [];
    const check = (isRight: boolean, what: string): void => {
      if (!isRight) found.push(`${key}: ${what} (${JSON.stringify(ledger)})`);
    };
    check(accepted + recovered === sent + counted + queued && queued >= 0, 'the books do not balance');
    check(Object.keys(others).length === 0, 'it dropped some');
    check(counted <= corrupt[1], `it counts more damage than ${corrupt[1]}`);
    if (reloads === 0) {
      check(accepted >= acknowledgedBefore[signal], `it has forgotten some of ${acknowledgedBefore[signal]}`);
      check(accepted <= offered[signal], `it accepted more than ${offered[signal]}`);
      const [least, most] = recoverable.get(key)!;
      check(recovered >= least && recovered <= most, `it found other than ${least} to ${most}`);
    }
    if (!isQuiet) return found;
    const { arrivals, unanswered } = queue.lives.at(-1)!;
    check(queued === 0, 'something waits');
    check(waiting(queue)[0] === 0, 'something is missing');
    check(counted >= corrupt[0], `it counts less damage than ${corrupt[0]}`);
    if (reloads === 0) check(sent <= arrivals && arrivals <= sent + unanswered, `${arrivals} arrived`);
    return found;
  });
}
