/** What `tail` and `tap` have in common: from options to an agent, connections that are opened again, the end. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Catalog } from '../config/registry.ts';
import type { LoadedConfig } from '../config/load.ts';
import { ConfigError, messageOf } from '../errors.ts';
import { sleep } from '../sleep.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { LiveTls } from './live_address.ts';
import type { LiveSelection } from './live_commands.ts';
import { LiveError } from './live_request.ts';
import type { Lifetime } from './run.ts';
import { complainAbout, loadSelection } from './selection.ts';
import { painter, type Terminal } from './terminal.ts';

export interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
  readonly env: NodeJS.ProcessEnv;
  readonly lifetime: Pick<Lifetime, 'onSignal'>;
}

/** Whom to ask, in order, and with what. */
export interface Target {
  readonly url: string;
  readonly tls: LiveTls;
}

export interface LiveSession {
  readonly command: string;
  readonly abort: AbortSignal;
  /** Tells of what goes on, apart from the results. */
  notice(text: string): void;
  /**
   * Opens a connection and has `read` take what comes; when it breaks, does so again until Ctrl+C. Returns the exit code.
   * @param isDone no more is wanted
   */
  keepReading(
    connect: () => Promise<IncomingMessage>,
    read: (piece: string) => void,
    isDone: () => boolean,
  ): Promise<number>;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;

/** Does `work`, which finds its targets in the configuration unless `--url` says where, and says why it cannot. */
export async function withSession(
  command: string,
  options: LiveSelection,
  { terminal, env, catalog, lifetime }: Surroundings,
  findTargets: (loaded: LoadedConfig) => readonly Target[],
  work: (targets: readonly Target[], session: LiveSession) => Promise<number>,
): Promise<number> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) lifetime.onSignal(signal, () => ending.abort());
  const session = createSession(command, terminal, ending.signal);
  try {
    const own = ownTls(options);
    const found =
      options.url === undefined
        ? findTargets(await loadSelection(options, env, catalog))
        : [{ url: checkedUrl(options.url), tls: {} }];
    return await work(
      found.map(({ url, tls }) => ({ url, tls: own.ca === undefined ? { ...tls, ...own } : own })),
      session,
    );
  } catch (error) {
    if (ending.signal.aborted) return EXIT_CODES.ok;
    if (error instanceof ConfigError) {
      complainAbout(error.problems, terminal);
      return EXIT_CODES.config;
    }
    if (!(error instanceof LiveError || error instanceof SyntaxError || error instanceof RangeError)) throw error;
    complain(error, terminal);
    return error instanceof LiveError && error.isUsage ? EXIT_CODES.usage : EXIT_CODES.found;
  }
}

function createSession(command: string, terminal: Terminal, abort: AbortSignal): LiveSession {
  const paint = painter({ hasColor: terminal.hasErrorColor });
  const notice = (text: string): void => terminal.complain(`${paint('dim', `[${command}]`)} ${text}\n`);

  /** Returns whether anything came. */
  async function readOnce(
    response: IncomingMessage,
    read: (piece: string) => void,
    isDone: () => boolean,
  ): Promise<boolean> {
    let hasCome = false;
    response.setEncoding('utf8');
    try {
      for await (const piece of response) {
        hasCome = true;
        read(String(piece));
        if (isDone() || terminal.isGone === true) break;
        await terminal.drained?.();
      }
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof RangeError) throw error;
      // The connection broke: another is opened.
    }
    return hasCome;
  }

  return {
    command,
    abort,
    notice,
    async keepReading(connect, read, isDone) {
      let wait_ms = FIRST_WAIT_MS;
      let isLost = false;
      for (let isFirst = true; ; isFirst = false) {
        try {
          const response = await connect();
          if (isLost) notice('connected again');
          isLost = false;
          if (await readOnce(response, read, isDone)) wait_ms = FIRST_WAIT_MS;
        } catch (error) {
          const isPassing = error instanceof LiveError && error.isPassing;
          if (abort.aborted) return EXIT_CODES.ok;
          if (isFirst || !isPassing) throw error;
        }
        if (abort.aborted || isDone() || terminal.isGone === true) return EXIT_CODES.ok;
        if (!isLost) notice('lost the connection; tries again');
        isLost = true;
        await sleep(wait_ms, abort);
        if (abort.aborted) return EXIT_CODES.ok;
        wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
      }
    },
  };
}

function ownTls({ caFile, certFile, keyFile }: LiveSelection): LiveTls {
  return {
    ...(caFile !== undefined && { ca: readPem(caFile) }),
    ...(certFile !== undefined && { cert: readPem(certFile) }),
    ...(keyFile !== undefined && { key: readPem(keyFile) }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new LiveError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  const needed = 'one such as http://127.0.0.1:9464 is needed';
  throw new LiveError(`Cannot use the URL ${JSON.stringify(text)}: ${needed}`, { isUsage: true });
}

function complain(error: unknown, terminal: Terminal): void {
  const paint = painter({ hasColor: terminal.hasErrorColor });
  terminal.complain(`${paint('red', messageOf(error))}\n`);
  if (error instanceof LiveError && error.hint !== undefined) terminal.complain(`  hint: ${error.hint}\n`);
}
