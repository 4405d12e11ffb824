/** A volume that a test can fill: a tmpfs of its own for the agent's process, as far as this machine permits one. */
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallVolume {
  /** What it is, for whoever reads what was shown. */
  readonly what: string;
  /** The command that runs `command` with the volume at `folder`, which is empty, or full from the start. */
  wrap(command: readonly string[], folder: string, isFull: boolean): readonly string[];
  /** Where this process finds what `pid` has at `folder`. */
  seen(pid: number, folder: string): string;
  /** Of the queue. */
  readonly min_free: string;
  /** Leaves the queue nothing. */
  fill(path: string): void;
  empty(path: string): void;
}

const MIB = 1024 * 1024;
const SIZE_BYTES = 2 * MIB;
const FILLER = 'filler';
const FILLER_MIB = 128;

/** With rights of its own in a user namespace, or with those of root. */
const UNSHARE: readonly (readonly string[])[] = [
  ['unshare', '--user', '--map-root-user', '--mount'],
  ['unshare', '--mount'],
];

export function createSmallVolume(): SmallVolume {
  const unshare = UNSHARE.find(([command, ...options]) => {
    const { status } = spawnSync(command!, [...options, 'mount', '-t', 'tmpfs', 'none', '/tmp'], { stdio: 'ignore' });
    return status === 0;
  });
  return unshare === undefined ? createCrowdedFolder() : createTmpfs(unshare);
}

function createTmpfs(unshare: readonly string[]): SmallVolume {
  return {
    what: `a tmpfs of ${SIZE_BYTES} bytes`,
    wrap: (command, folder, isFull) => [
      ...unshare,
      'sh',
      '-c',
      [
        `mkdir -p "$0" && mount -t tmpfs -o size=${SIZE_BYTES} none "$0"`,
        ...(isFull ? [`(dd if=/dev/zero of="$0/${FILLER}" bs=4096 2>/dev/null || true)`] : []),
        'exec "$@"',
      ].join(' && '),
      folder,
      ...command,
    ],
    // A mount namespace is seen through the process that has it (proc(5), /proc/pid/root).
    seen: (pid, folder) => join(`/proc/${pid}/root`, folder),
    min_free: '0',
    fill(path) {
      for (let bytes = SIZE_BYTES; bytes >= 1; bytes = Math.floor(bytes / 2)) {
        try {
          for (;;) writeFileSync(join(path, FILLER), Buffer.alloc(bytes), { flag: 'a' });
        } catch {
          // Full, but for less than `bytes`.
        }
      }
    },
    empty: (path) => rmSync(join(path, FILLER)),
  };
}

/** Where nothing may be mounted: a bound on what must stay free takes the place of the end of the volume. */
function createCrowdedFolder(): SmallVolume {
  const { bavail, bsize } = statfsSync(tmpdir());
  return {
    what: 'a folder whose volume falls short of min_free, as no mount is permitted here',
    wrap: (command, folder, isFull) => [
      'sh',
      '-c',
      [
        'mkdir -p "$0"',
        ...(isFull ? [`dd if=/dev/zero of="$0/${FILLER}" bs=1M count=${FILLER_MIB} 2>/dev/null`] : []),
        'exec "$@"',
      ].join(' && '),
      folder,
      ...command,
    ],
    seen: (_, folder) => folder,
    // Half of the filler is for what others on this machine do meanwhile.
    min_free: String(bavail * bsize - (FILLER_MIB / 2) * MIB),
    fill: (path) => writeFileSync(join(path, FILLER), Buffer.alloc(FILLER_MIB * MIB)),
    empty: (path) => rmSync(join(path, FILLER)),
  };
}
