/** What a process is, from its files, read while it lives. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { type Arguments, commandLineOf, commandOf } from '../../src/procfs/process/command.ts';
import { readInOnePiece } from '../../src/procfs/process/details.ts';
import { createIdentityReader } from '../../src/procfs/process/identity.ts';
import { Process } from '../../src/procfs/process/process.ts';
import { StatLine, statExitStatus, statName } from '../../src/procfs/process/stat_line.ts';
import { isAbsent } from '../../src/procfs/source.ts';

/** Which program a process runs, and where. Processes that were forked and run the same share it. */
export interface Program {
  /** '' where it ended before anyone could look. */
  readonly name: string;
  readonly path: string | undefined;
  readonly command: string | undefined;
  readonly commandLine: string | undefined;
  readonly args_count: number;
  readonly cgroup: string | undefined;
  readonly unit: string | undefined;
  readonly containerId: string | undefined;
}

export const UNKNOWN_PROGRAM: Program = {
  name: '',
  path: undefined,
  command: undefined,
  commandLine: undefined,
  args_count: 0,
  cgroup: undefined,
  unit: undefined,
  containerId: undefined,
};

/** What `/proc/PID/stat` says. */
export interface Stat {
  readonly startTicks: number;
  readonly parent: number;
  readonly state: string;
  readonly threads: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly nameHash: number;
  readonly name: string;
  /** Where it has ended: as wait(2) gives it. */
  readonly status: number;
}

export interface ProgramReader {
  /** Undefined where there is no such process any more. */
  stat(pid: number): Stat | undefined;
  /** All of a program. What is gone or denied meanwhile is left out, so the caller looks at the stat again afterwards. */
  program(pid: number): Program;
  /** The effective user; -1 where there is no such process any more, or it may not be known. */
  owner(pid: number): number;
}

export function createProgramReader(host: Host, log: ComponentLog, shown: Arguments): ProgramReader {
  const line = new StatLine();
  const identities = createIdentityReader({
    host,
    onFailure(source, error) {
      const { code = 'error' } = error as NodeJS.ErrnoException;
      log.once(source, `Cannot read ${source} of some processes: ${code}`);
    },
  });

  /** Kernel threads have no executable, and that of others may be denied. */
  function mayLive(pid: number): boolean {
    return reader.stat(pid)?.state.match(/[ZX]/) === null;
  }

  const reader: ProgramReader = {
    stat(pid) {
      try {
        const file = readInOnePiece(host, `/proc/${pid}/stat`);
        line.parse(file);
        const { startTicks, parent, state, threads, userTicks, systemTicks, nameHash } = line;
        const status = state === 'Z' || state === 'X' ? statExitStatus(file) : 0;
        return { startTicks, parent, state, threads, userTicks, systemTicks, nameHash, name: statName(file), status };
      } catch (error) {
        if (!isAbsent(error)) log.once('stat', `Cannot read /proc/[pid]/stat: ${String(error)}`);
        return undefined;
      }
    },
    program(pid) {
      const identity = identities.identify(new Process(pid, 0, 0));
      const { executablePath } = identity;
      // Who has ended has no other files either, and each that is missing costs an exception.
      if (executablePath === undefined && !mayLive(pid)) return UNKNOWN_PROGRAM;
      const { executable, args, cgroup } = identity;
      return {
        name: executable,
        path: executablePath,
        command: commandOf(args, executablePath),
        commandLine: commandLineOf(args, shown),
        args_count: args.length,
        cgroup: cgroup.line,
        unit: cgroup.unit,
        containerId: cgroup.containerId,
      };
    },
    owner(pid) {
      try {
        const status = Buffer.from(readInOnePiece(host, `/proc/${pid}/status`)).toString('latin1');
        // Uid:	1000	1000	1000	1000 (real, effective, …)
        return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? -1);
      } catch {
        // It ended, or may not be known.
        return -1;
      }
    },
  };
  return reader;
}
