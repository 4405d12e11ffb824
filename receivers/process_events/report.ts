/** Events as log records: names, attributes and words. */
import { constants } from 'node:os';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { eventRecord, INFO, WARN } from '../../src/model/event_record.ts';
import type { SeverityNumber } from '../../src/model/severity.ts';
import type { Outlet } from '../../src/outlet.ts';
import { creationTime, startTimeOf } from '../../src/procfs/process/creation.ts';
import type { Tracked } from './tracked.ts';
import type { SourceName } from './source.ts';

export const KINDS = ['start', 'fork', 'exit', 'setuid', 'setgid', 'oom_kill'] as const;
export type Kind = (typeof KINDS)[number];
/** What becomes of the watching itself. */
export type Notice = 'lost' | 'rescan';

type More = Readonly<Record<string, AnyValue | undefined>>;

/** How a process ended. What is not known is NaN, or -1 for the status. */
export interface End {
  /** As wait(2) gives it. */
  readonly status: number;
  readonly lifetime_s: number;
  readonly user_s: number;
  readonly system_s: number;
  /** The most memory that was resident. */
  readonly peak_bytes: number;
}

/** When and how it came to be known. */
export interface Cause {
  /** Unix nanoseconds; 0n where it is not known when it happened. */
  readonly time: bigint;
  readonly source: SourceName;
}

export interface Report {
  start(process: Tracked, cause: Cause): void;
  fork(process: Tracked, parentName: string, cause: Cause): void;
  exit(process: Tracked, end: End, cause: Cause): void;
  owner(kind: 'setuid' | 'setgid', process: Tracked, realId: number, effectiveId: number, cause: Cause): void;
  oomKill(process: Tracked, resident_bytes: number, cause: Cause): void;
  notice(notice: Notice, body: string, attributes: More): void;
  /** Told, by kind, whether anyone wants them or not. */
  readonly told: Readonly<Record<Kind, number>>;
}

export interface ReportOptions {
  readonly outlet: Outlet;
  readonly resource: Resource;
  readonly scope: Scope;
  /** Those that are wanted. */
  readonly kinds: ReadonlySet<Kind>;
  readonly userName: (uid: number) => string;
  /** Unix nanoseconds of the boot; undefined where it is not known. */
  readonly bootTime: bigint | undefined;
}

const CORE_DUMPED = 0x80;

export function createReport(options: ReportOptions): Report {
  const { outlet, resource, scope, kinds, userName, bootTime } = options;
  // What is told of a short-lived process follows each other.
  let lastTicks = NaN;
  let lastCreation = '';
  let observed_ms = NaN;
  let observedTime = 0n;
  const told: Record<Kind, number> = { start: 0, fork: 0, exit: 0, setuid: 0, setgid: 0, oom_kill: 0 };

  function describe({ pid, startTicks, parent, owner, program }: Tracked): Record<string, AnyValue> {
    const attributes: Record<string, AnyValue> = { 'process.pid': pid };
    if (!Number.isNaN(startTicks) && bootTime !== undefined) {
      if (startTicks !== lastTicks) lastCreation = creationTime(startTimeOf({ startTicks }, bootTime));
      lastTicks = startTicks;
      attributes['process.creation.time'] = lastCreation;
    }
    if (parent > 0) attributes['process.parent_pid'] = parent;
    if (program.name !== '') attributes['process.executable.name'] = program.name;
    if (program.path !== undefined) attributes['process.executable.path'] = program.path;
    if (program.command !== undefined) attributes['process.command'] = program.command;
    if (program.commandLine !== undefined) attributes['process.command_line'] = program.commandLine;
    if (program.args_count > 0) attributes['process.args_count'] = program.args_count;
    if (owner >= 0) attributes['process.owner'] = userName(owner);
    if (program.cgroup !== undefined) attributes['process.linux.cgroup'] = program.cgroup;
    if (program.unit !== undefined) attributes['systemd.unit'] = program.unit;
    if (program.containerId !== undefined) attributes['container.id'] = program.containerId;
    return attributes;
  }

  /** Many are told in one millisecond. */
  function now(): bigint {
    const now_ms = Date.now();
    if (now_ms !== observed_ms) {
      observed_ms = now_ms;
      observedTime = BigInt(now_ms) * 1_000_000n;
    }
    return observedTime;
  }

  function push(
    eventName: string,
    severityNumber: SeverityNumber,
    body: string,
    time: bigint,
    attributes: Record<string, AnyValue>,
  ): void {
    outlet.push(
      eventRecord({
        resource,
        scope,
        time,
        observedTime: now(),
        severityNumber,
        body,
        attributes,
        eventName,
      }),
    );
  }

  function tell(
    kind: Kind,
    words: string,
    process: Tracked,
    { time, source }: Cause,
    more?: More,
    severity: SeverityNumber = INFO,
  ): void {
    const attributes = describe(process);
    attributes['process.event.source'] = source;
    if (more !== undefined) add(attributes, more);
    push(`process.${kind}`, severity, `${nameOf(process)} ${words}`, time, attributes);
  }

  function isWanted(kind: Kind): boolean {
    told[kind]++;
    return kinds.has(kind);
  }

  return {
    told,
    start(process, cause) {
      if (isWanted('start')) tell('start', 'started', process, cause);
    },
    fork(process, parentName, cause) {
      if (!isWanted('fork')) return;
      const { parent } = process;
      tell('fork', parent > 0 ? `forked by ${parentName}[${parent}]` : 'forked', process, cause);
    },
    exit(process, end, cause) {
      if (!isWanted('exit')) return;
      const { status } = end;
      const signal = status === -1 ? 0 : status & 0x7f;
      const isDumped = status !== -1 && (status & CORE_DUMPED) !== 0;
      const code = status === -1 || signal !== 0 ? undefined : (status >> 8) & 0xff;
      const words =
        code !== undefined
          ? `exited with code ${code}`
          : signal !== 0
            ? `was ended by ${signalName(signal)}${isDumped ? ', core dumped' : ''}`
            : 'exited';
      tell(
        'exit',
        words,
        process,
        cause,
        {
          'process.exit.code': code,
          'process.exit.signal': signal === 0 ? undefined : signalName(signal),
          'process.exit.core_dumped': signal === 0 ? undefined : isDumped,
          'process.lifetime': known(end.lifetime_s),
          'process.cpu.time.user': known(end.user_s),
          'process.cpu.time.system': known(end.system_s),
          'process.memory.peak': known(end.peak_bytes),
        },
        isDumped ? WARN : INFO,
      );
    },
    owner(kind, process, realId, effectiveId, cause) {
      if (!isWanted(kind)) return;
      const [what, words] = kind === 'setuid' ? ['user', 'user'] : ['group', 'group'];
      const name = kind === 'setuid' ? userName(effectiveId) : undefined;
      tell(kind, `runs as ${words} ${name ?? effectiveId}`, process, cause, {
        [`process.${what}.id`]: effectiveId,
        [`process.real_${what}.id`]: realId,
        ...(name !== undefined && { 'process.user.name': name }),
      });
    },
    oomKill(process, resident_bytes, cause) {
      if (!isWanted('oom_kill')) return;
      const more = { 'process.memory.usage': known(resident_bytes) };
      tell('oom_kill', 'was chosen to be killed: out of memory', process, cause, more, WARN);
    },
    notice(notice, body, attributes) {
      const all: Record<string, AnyValue> = {};
      add(all, attributes);
      push(`process.watch.${notice}`, notice === 'lost' ? WARN : INFO, body, now(), all);
    },
  };
}

function add(attributes: Record<string, AnyValue>, more: More): void {
  for (const key in more) {
    const value = more[key];
    if (value !== undefined) attributes[key] = value;
  }
}

function nameOf({ pid, program }: Tracked): string {
  return `${program.name === '' ? 'process' : program.name}[${pid}]`;
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

const SIGNALS: ReadonlyMap<number, string> = new Map(
  // SIGIOT and SIGPOLL are other names of SIGABRT and SIGIO.
  Object.entries(constants.signals).flatMap(([name, number]) =>
    name === 'SIGIOT' || name === 'SIGPOLL' ? [] : [[number, name]],
  ),
);

/** As `SIGKILL`; `SIG35` for one without a name. */
export function signalName(signal: number): string {
  return SIGNALS.get(signal) ?? `SIG${signal}`;
}
