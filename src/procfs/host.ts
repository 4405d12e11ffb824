/** Reads the kernel's files of the machine that is measured, which in a container is not the machine `/` shows. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** The machine that receivers measure. */
export interface Host {
  readonly platform: NodeJS.Platform;
  /** Where the measured machine's root is mounted: `/`, or `/hostfs` in a container. */
  readonly rootPath: string;
  /** `path` of the measured machine, as this process must open it. */
  resolve(path: string): string;
  /**
   * The whole content of a file of `/proc` or `/sys`. Its descriptor is kept open, so only for files that are read
   * again and again. The bytes are valid until the next call.
   * @throws the system's error (ENOENT, EACCES, ENODEV, …)
   */
  read(path: string): Uint8Array;
  /**
   * The whole content of a small file, without keeping it open: for files of what comes and goes, as `/proc/PID/stat`.
   * The bytes are valid until the next call of `read` or `readOnce`.
   * @throws the system's error (ENOENT, ESRCH, EACCES, …)
   */
  readOnce(path: string): Uint8Array;
  /**
   * Opens a file that the kernel writes in one piece (`single_open` in fs/proc), to read it again and again. It stays that file: the stat of a process that ended answers ESRCH, even if
   * its pid is another's by now.
   * @throws the system's error (ENOENT, EACCES, EMFILE, …)
   */
  open(path: string): OpenFile;
  /** The content of a file that is read once or rarely. */
  readText(path: string): string;
  /** Names in a folder. */
  list(path: string): string[];
  /** Unix nanoseconds of the boot, from `btime`: one stable value, never now−uptime. */
  bootTime(): bigint;
  /** What Node.js itself tells of the machine, where there is no `/proc`: cumulative CPU times, load, uptime. */
  readonly os: Pick<typeof import('node:os'), 'cpus' | 'loadavg' | 'uptime' | 'totalmem'>;
  /** The library that measures where there is no `/proc`; loaded at first use. */
  systeminformation(): Promise<typeof import('systeminformation')>;
  /** Closes what `read` kept open. */
  close(): void;
}

/** A file that whoever opened it closes. */
export interface OpenFile {
  /** The whole content; valid until the host's next read. @throws the system's error */
  read(): Uint8Array;
  close(): void;
}

export interface HostOptions {
  readonly rootPath?: string;
  readonly platform?: NodeJS.Platform;
}

export function createHost({ rootPath = '/', platform = process.platform }: HostOptions = {}): Host {
  const descriptors = new Map<string, number>();
  let buffer = Buffer.allocUnsafeSlow(1 << 16);
  let bootTime: bigint | undefined;

  const resolve = (path: string): string => (rootPath === '/' ? path : join(rootPath, path));

  function readWhole(fd: number): Uint8Array {
    let length = 0;
    for (;;) {
      const got = readSync(fd, buffer, length, buffer.length - length, length);
      length += got;
      // A short read of a seq_file is no end of file: only 0 is.
      if (got === 0) return buffer.subarray(0, length);
      if (length === buffer.length) {
        const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
        buffer.copy(larger);
        buffer = larger;
      }
    }
  }

  const host: Host = {
    platform,
    rootPath,
    resolve,
    read(path) {
      let fd = descriptors.get(path);
      if (fd === undefined) descriptors.set(path, (fd = openSync(resolve(path), 'r')));
      try {
        return readWhole(fd);
      } catch (error) {
        // A device that went away answers ENODEV for ever on the old descriptor; the next read opens the file anew.
        closeSync(fd);
        descriptors.delete(path);
        throw error;
      }
    },
    readOnce(path) {
      const fd = openSync(resolve(path), 'r');
      try {
        return readWhole(fd);
      } finally {
        closeSync(fd);
      }
    },
    open(path) {
      const fd = openSync(resolve(path), 'r');
      const read = (): Uint8Array => {
        const got = readSync(fd, buffer, 0, buffer.length, 0);
        // One read is all, so the one that would say so is spared: it is a sixth of the cost.
        return got < buffer.length ? buffer.subarray(0, got) : readWhole(fd);
      };
      return { read, close: () => closeSync(fd) };
    },
    readText: (path) => readFileSync(resolve(path), 'utf8'),
    list: (path) => readdirSync(resolve(path)),
    bootTime: () => (bootTime ??= readBootTime(host)),
    os: process.getBuiltinModule('node:os'),
    systeminformation: () => import('systeminformation'),
    close() {
      for (const fd of descriptors.values()) closeSync(fd);
      descriptors.clear();
    },
  };
  return host;
}

/** The line `btime 1732200000` of `/proc/stat`: seconds since 1970. */
function readBootTime(host: Host): bigint {
  if (host.platform !== 'linux')
    return BigInt(Math.round((Date.now() - host.os.uptime() * 1000) / 1000)) * 1_000_000_000n;
  const match = /^btime (\d+)$/m.exec(host.readText('/proc/stat'));
  if (match === null) throw new SyntaxError('Cannot read the boot time: no line "btime" in /proc/stat');
  return BigInt(match[1]!) * 1_000_000_000n;
}
