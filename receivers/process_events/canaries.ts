/** Processes that are started to be told of, and are not: each waits until it was seen, or for its time. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { LagProbe } from '../../src/lag_probe.ts';
import type { Clock } from './clock.ts';
import type { Report } from './report.ts';
import type { Tracked } from './tracked.ts';

type Identity = Pick<Tracked, 'pid' | 'forked_ns' | 'startTicks'>;

export interface Canaries {
  /** @throws {Error} there is no shell that can be started */
  release(token: string): Promise<void>;
  /** The token of a canary that this process is. */
  tokenOf(process: Identity): string | undefined;
  /** It was seen: it may go. */
  end(process: Identity): void;
  stop(): void;
}

interface Canary {
  readonly token: string;
  readonly owner: symbol;
  readonly child: ChildProcess;
  /** When it was started; nanoseconds of CLOCK_MONOTONIC. */
  readonly earliest_ns: number;
  readonly latest_ns: number;
  readonly timer: NodeJS.Timeout;
}

/** Events of one may come after its end. */
const MOST_KNOWN = 64;
/** The kernel counts starts in hundredths of a second. */
const TOLERANCE_NS = 3e7;

/** Of all receivers of this agent: none tells of another's. */
const byPid = new Map<number, Canary>();

export function createCanaries(clock: Pick<Clock, 'monotonic' | 'now_ns'>, timeout_ms: number): Canaries {
  const owner = Symbol('receiver');

  /** Another process may have the pid by now: only one that began then is meant. */
  function find({ pid, forked_ns, startTicks }: Identity): Canary | undefined {
    const canary = byPid.get(pid);
    if (canary === undefined) return undefined;
    const began_ns = Number.isNaN(forked_ns) ? clock.monotonic(startTicks) : forked_ns;
    const isOther = began_ns < canary.earliest_ns - TOLERANCE_NS || began_ns > canary.latest_ns + TOLERANCE_NS;
    return isOther ? undefined : canary;
  }

  function end({ child, timer }: Canary): void {
    clearTimeout(timer);
    child.stdin?.destroy();
  }

  return {
    async release(token) {
      const { spawn } = process.getBuiltinModule('node:child_process');
      const earliest_ns = clock.now_ns();
      // It ends when its input does, so with this process at the latest, however that ends. `read` is the shell's own.
      const child = spawn('/bin/sh', ['-c', 'read line', token], {
        cwd: '/',
        env: {},
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      const { pid } = child;
      // An 'error' event says why.
      if (pid === undefined) return void (await once(child, 'spawn'));
      const timer = setTimeout(() => child.stdin.destroy(), timeout_ms);
      timer.unref();
      child.unref();
      (child.stdin as typeof child.stdin & { unref(): void }).unref();
      child.stdin.on('error', () => {});
      byPid.delete(pid);
      byPid.set(pid, { token, owner, child, earliest_ns, latest_ns: clock.now_ns(), timer });
      if (byPid.size <= MOST_KNOWN) return;
      const [oldest, canary] = byPid.entries().next().value!;
      end(canary);
      byPid.delete(oldest);
    },
    tokenOf: (process) => find(process)?.token,
    end(process) {
      const canary = find(process);
      if (canary?.owner === owner) end(canary);
    },
    stop() {
      for (const [pid, canary] of byPid) {
        if (canary.owner !== owner) continue;
        end(canary);
        byPid.delete(pid);
      }
    },
  };
}

/** A report that tells and counts everything but canaries. */
export function withoutCanaries(
  report: Report,
  canaries: Pick<Canaries, 'tokenOf' | 'end'>,
  probe: Pick<LagProbe, 'arrived'>,
): Report {
  const isCanary = (process: Tracked): boolean => canaries.tokenOf(process) !== undefined;
  return {
    ...report,
    start(process, cause) {
      const token = canaries.tokenOf(process);
      if (token === undefined) return report.start(process, cause);
      probe.arrived(token);
      canaries.end(process);
    },
    fork(process, parentName, cause) {
      if (!isCanary(process)) report.fork(process, parentName, cause);
    },
    exit(process, end, cause) {
      if (!isCanary(process)) report.exit(process, end, cause);
    },
    owner(kind, process, realId, effectiveId, cause) {
      if (!isCanary(process)) report.owner(kind, process, realId, effectiveId, cause);
    },
    oomKill(process, resident_bytes, cause) {
      if (!isCanary(process)) report.oomKill(process, resident_bytes, cause);
    },
  };
}
