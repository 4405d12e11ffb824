/** One life of the agent: a process that is asked for its figures, told to reload or to stop, or killed. */
import { spawn } from 'node:child_process';
import { AGENT_RUNS, sondeCommand, until } from '../servers.ts';
import { NUMBERED_SIGNALS, type NumberedSignal } from './numbered.ts';

export interface AgentLife {
  /** What it has printed so far. */
  output(): string;
  isOver(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** `prefix` is a command that runs another. */
export async function startLife(configFile: string, prefix: readonly string[] = []): Promise<AgentLife> {
  const [command, ...args] = [...prefix, ...sondeCommand(), 'run', '--config', configFile];
  const child = spawn(command!, args, { stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const { promise: ended, resolve } = Promise.withResolvers<number | NodeJS.Signals>();
  child.on('close', (code, signal) => resolve(code ?? signal!));
  return {
    output: () => output,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    signal: (signal) => void child.kill(signal),
    ended,
  };
}

/** The books of one queue. */
export interface Ledger {
  readonly accepted: number;
  readonly recovered: number;
  readonly sent: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly queued: number;
}

/** By exporter and signal, as `otlp/always logs`. */
export type Books = ReadonlyMap<string, Ledger>;

const LINE = /^sonde_(component_(?:accepted|sent|dropped)|queue_(?:recovered|items))(?:_total)?\{(.*)\} (-?\d+)$/;

/** Reads the figures as Prometheus would: the receiver `self` collects them at that moment. */
export async function readBooks(url: string): Promise<Books> {
  const books = new Map<string, { -readonly [K in keyof Ledger]: Ledger[K] }>();
  for (const line of (await (await fetch(url, { signal: AbortSignal.timeout(20_000) })).text()).split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, metric, labels, text] = match as unknown as [string, string, string, string];
    const label = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    const signal = label('sonde_signal') as NumberedSignal;
    if (label('sonde_component_kind') !== 'exporter' || !label('sonde_component_id').startsWith('otlp')) continue;
    const key = `${label('sonde_component_id')} ${signal}`;
    let ledger = books.get(key);
    if (ledger === undefined) {
      books.set(key, (ledger = { accepted: 0, recovered: 0, sent: 0, dropped: {}, queued: 0 }));
    }
    const value = Number(text);
    if (metric === 'component_accepted') ledger.accepted = value;
    else if (metric === 'component_sent') ledger.sent = value;
    else if (metric === 'queue_recovered') ledger.recovered = value;
    else if (metric === 'queue_items') ledger.queued = value;
    else ledger.dropped = { ...ledger.dropped, [label('sonde_drop_reason')]: value };
  }
  return books;
}

/** Resolves when all of the agent runs, and every queue of it has its figures at `url`. */
export async function untilUp(url: string, exporters: readonly string[], life: AgentLife): Promise<void> {
  await until('the agent shows the figures of its queues', async () => {
    if (life.isOver()) return true;
    if (!AGENT_RUNS.test(life.output())) return false;
    const books = await readBooks(url);
    return exporters.every((id) => NUMBERED_SIGNALS.every((signal) => books.has(`${id} ${signal}`)));
  });
  if (life.isOver()) throw new Error(`The agent ended: ${life.output()}`);
}
