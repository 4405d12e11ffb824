/** `sonde run`: from the configuration to the running agent, and through the signals to its end. */
import { createAgent, type Agent, type ReloadResult } from '../agent.ts';
import { formatPlace, formatProblems } from '../config/frames.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Catalog } from '../config/registry.ts';
import type { AgentSettings } from '../config/agent_settings.ts';
import { ConfigError, messageOf, type ConfigProblem } from '../errors.ts';
import { VERSION } from '../model/version.ts';
import { createLog, type AdjustableLog, type LogEntry, type LogOptions } from '../telemetry/log.ts';
import { announce, describeStart } from './banner.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { Selection } from './command_options.ts';
import { complainAbout, count, loadSelection, problemsOf } from './selection.ts';
import { hintForStart } from './start_hint.ts';
import type { Terminal } from './terminal.ts';

/** What becomes of the process: only `main.ts` has the real one. */
export interface Lifetime {
  /** Calls back each time the process is sent the signal. */
  onSignal(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): void;
  /** Calls back for what nobody caught, thrown or rejected. */
  onUncaught(listener: (error: unknown, kind: 'exception' | 'rejection') => void): void;
  /** Ends the process at once. */
  exit(code: number): void;
}

interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
  readonly env: NodeJS.ProcessEnv;
  readonly lifetime: Lifetime;
}

/** Resolves with the exit code when the agent has stopped. */
export async function run(selection: Selection, { terminal, env, lifetime, catalog }: Surroundings): Promise<number> {
  const load = (): Promise<LoadedConfig> => loadSelection(selection, env, catalog);
  let loaded: LoadedConfig;
  try {
    loaded = await load();
  } catch (error) {
    complainAbout(problemsOf(error), terminal);
    return EXIT_CODES.config;
  }

  const held = holdLines(terminal);
  const log = createLog({ ...logOptions(loaded.agent, terminal), hasColor: terminal.hasErrorColor, write: held.write });
  log.listen(held.note);
  lifetime.onUncaught((error, kind) => {
    held.release();
    const stack = error instanceof Error ? { stack: error.stack } : {};
    if (kind === 'rejection') return log.error(`Nobody handled a rejected promise: ${messageOf(error)}`, stack);
    log.error(`A bug ended the agent: ${messageOf(error)}`, stack);
    return lifetime.exit(EXIT_CODES.bug);
  });
  for (const warning of loaded.warnings) log.warn(warning.message, fieldsOf(warning));

  const reloads = createReloads({ agent: () => agent, starting: () => starting, load, log, terminal });
  const agent = createAgent({ config: loaded, version: VERSION, log, onReload: reloads.reload });
  const stopping = nextStop(lifetime);
  const starting = agent.start();
  // What went wrong is in the log; there is nobody else to tell.
  lifetime.onSignal('SIGHUP', () => void reloads.reload().catch(() => undefined));
  const started_ms = performance.now();
  try {
    // Told to stop while it starts, it has nothing yet to hand over.
    if ((await Promise.race([starting, stopping])) !== undefined) return EXIT_CODES.ok;
  } catch (error) {
    held.release();
    return complainAboutStart(error, loaded, log, terminal);
  }
  terminal.print(announce(agent.listening(), loaded));
  if (terminal.isInteractive) {
    const facts = { agent, loaded, warnings: held.warnings, started_ms, stop: stopping };
    terminal.print(await describeStart(facts, terminal));
  }
  held.release();

  const signal = await stopping;
  log.info('Stopping: hands over what is under way', { signal });
  const still = setTimeout(
    () => log.info('Waits for what is under way to be taken; another signal ends it at once', { signal }),
    PATIENCE_MS,
  );
  await reloads.settled();
  await agent.stop();
  clearTimeout(still);
  log.info('Stopped');
  return EXIT_CODES.ok;
}

/** Whoever has pressed Ctrl+C hears after this what takes so long. */
const PATIENCE_MS = 1000;

/**
 * npm hands Ctrl+C on to a command that the terminal has told already, so one keystroke can arrive twice: what comes
 * so soon after the first is no second wish.
 */
const SAME_WISH_MS = 500;

/** Resolves with the first signal to stop; a second one ends the process at once. */
function nextStop(lifetime: Lifetime): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let first_ms: number | undefined;
  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ] as const) {
    lifetime.onSignal(signal, () => {
      if (first_ms === undefined) {
        first_ms = performance.now();
        resolve(signal);
      } else if (performance.now() - first_ms >= SAME_WISH_MS) {
        lifetime.exit(128 + number);
      }
    });
  }
  return promise;
}

interface ReloadOptions {
  readonly agent: () => Agent;
  /** Reloads wait for it. */
  readonly starting: () => Promise<void>;
  readonly load: () => Promise<LoadedConfig>;
  readonly log: AdjustableLog;
  readonly terminal: Terminal;
}

interface Reloads {
  /** Reads the configuration again, after those that were asked for before. */
  reload(): Promise<ReloadResult>;
  /** Resolves when none is under way. */
  settled(): Promise<unknown>;
}

function createReloads({ agent, starting, load, log, terminal }: ReloadOptions): Reloads {
  let last: Promise<unknown> = Promise.resolve();
  /** Asked for, and not begun. */
  let next: Promise<ReloadResult> | undefined;

  async function reloadOnce(): Promise<ReloadResult> {
    await starting();
    next = undefined;
    try {
      const loaded = await load();
      const result = await agent().reload(loaded);
      log.adjust(logOptions(loaded.agent, terminal));
      for (const warning of loaded.warnings) log.warn(warning.message, fieldsOf(warning));
      log.info('Reloaded the configuration', changes(result.started, result.stopped, result.kept));
      return result;
    } catch (error) {
      complainAboutReload(error, log, terminal);
      throw error;
    }
  }

  return {
    reload() {
      // However often it is asked for while one is under way, one more time afterwards is enough.
      if (next === undefined) {
        next = last.then(reloadOnce);
        last = next.catch(() => undefined);
      }
      return next;
    },
    settled: () => last,
  };
}

function changes(started: readonly string[], stopped: readonly string[], kept: number): Record<string, unknown> {
  const restarted = started.filter((id) => stopped.includes(id));
  const lists = {
    started: started.filter((id) => !restarted.includes(id)),
    stopped: stopped.filter((id) => !restarted.includes(id)),
    restarted,
  };
  const named = Object.entries(lists).filter(([, ids]) => ids.length > 0);
  return { ...Object.fromEntries(named.map(([what, ids]) => [what, ids.join(' ')])), kept };
}

function complainAboutReload(error: unknown, log: AdjustableLog, terminal: Terminal): void {
  const keeps = 'the old configuration runs on';
  if (!(error instanceof ConfigError)) {
    log.error(`Cannot reload: ${messageOf(error)}; ${keeps}`);
    return;
  }
  const summary = `Cannot reload: ${count(error.problems.length, 'problem')} in the configuration; ${keeps}`;
  if (terminal.isInteractiveError) {
    log.error(summary);
    terminal.complain(formatProblems(error.problems, { color: terminal.hasErrorColor }));
    return;
  }
  for (const problem of error.problems) log.error(problem.message, fieldsOf(problem));
  log.error(summary);
}

/** By the house's rule an expected failure is a sentence that begins with "Cannot", or the system's; all else is a bug. */
function complainAboutStart(error: unknown, loaded: LoadedConfig, log: AdjustableLog, terminal: Terminal): number {
  const found = messageOf(error);
  const isOfSystem = typeof (error as NodeJS.ErrnoException).code === 'string';
  if (!found.startsWith('Cannot ') && !isOfSystem) {
    log.error(`A bug ended the agent: ${found}`, error instanceof Error ? { stack: error.stack } : {});
    return EXIT_CODES.bug;
  }
  const message = found.startsWith('Cannot ') ? found : `Cannot start: ${found}`;
  const hint = hintForStart(error, loaded);
  if (terminal.isInteractiveError) {
    terminal.complain(`${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
  } else {
    log.error(message, hint === undefined ? {} : { hint });
  }
  return EXIT_CODES.cannotStart;
}

function fieldsOf({ place, path, hint }: ConfigProblem): Record<string, unknown> {
  return {
    ...(place === undefined ? {} : { place: formatPlace(place) }),
    ...(path === '' ? {} : { path }),
    ...(hint === undefined ? {} : { hint }),
  };
}

function logOptions({ log }: AgentSettings, terminal: Terminal): Pick<LogOptions, 'level' | 'format'> {
  const automatic = terminal.isInteractiveError ? 'text' : 'logfmt';
  return { level: log.level, format: log.format === 'auto' ? automatic : log.format };
}

interface HeldLines {
  readonly write: (line: string) => void;
  /** Told of each entry after its line was written. */
  readonly note: (entry: LogEntry) => void;
  /** What components said of themselves since the start. */
  readonly warnings: ReadonlyMap<string, string>;
  /** Writes what was held back, and from now on everything at once. */
  release(): void;
}

/** On a terminal the log waits until the banner stands. */
function holdLines(terminal: Terminal): HeldLines {
  let lines: string[] | undefined = terminal.isInteractive && terminal.isInteractiveError ? [] : undefined;
  const warnings = new Map<string, string>();
  return {
    warnings,
    write(line) {
      if (lines === undefined) terminal.complain(line);
      else lines.push(line);
    },
    note({ level, message, fields }) {
      const { component } = fields;
      if (lines !== undefined && level !== 'info' && typeof component === 'string') warnings.set(component, message);
    },
    release() {
      const waiting = lines ?? [];
      lines = undefined;
      for (const line of waiting) terminal.complain(line);
    },
  };
}
