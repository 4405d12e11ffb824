/** The machines below `test/fixtures`, and systems without `/proc` as systeminformation answered there. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Host } from '../../src/procfs/host.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures');

/** The machines that have a `/proc`; `test/fixtures/README.md` describes them. */
export const MACHINES = ['arm-board', 'container-lxcfs', 'debian12-kvm', 'linux-3.10', 'server-64cpu'] as const;

/** Systems that are measured through systeminformation. */
export const ELSEWHERE = ['darwin', 'freebsd', 'win32'] as const;

/** What stands for a machine's `/`. */
export function rootOf(machine: string): string {
  return join(FIXTURES, machine);
}

/** The bytes of a kernel file of a machine. */
export function readFixture(machine: string, path: string): Uint8Array {
  return readFileSync(join(FIXTURES, machine, path));
}

/** What is recorded of a system without `/proc`. */
export function recordedHost(platform: (typeof ELSEWHERE)[number] | 'linux'): Partial<Host> {
  const recorded = JSON.parse(readFileSync(join(FIXTURES, `systeminformation/${platform}.json`), 'utf8'));
  const answer = (value: unknown) => () => value as never;
  return {
    os: {
      cpus: answer(recorded.os.cpus),
      loadavg: answer(recorded.os.loadavg),
      uptime: answer(recorded.os.uptime),
      totalmem: answer(recorded.os.totalmem),
    },
    bootTime: () => 1_700_000_000_000_000_000n,
    systeminformation: () =>
      Promise.resolve({
        cpu: () => Promise.resolve(recorded.cpu),
        mem: () => Promise.resolve(recorded.mem),
        processes: () => Promise.resolve(recorded.processes),
      } as never),
  };
}

/** A machine with these files, removed when the test is over. */
export function createMachine(files: Readonly<Record<string, string | Uint8Array>>): {
  readonly root: string;
  write(path: string, content: string | Uint8Array): void;
  remove(path: string): void;
} {
  const root = mkdtempSync(join(tmpdir(), 'sonde-machine-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  for (const [path, content] of Object.entries(files)) write(path, content);
  return { root, write, remove: (path) => rmSync(join(root, path), { recursive: true, force: true }) };
}
