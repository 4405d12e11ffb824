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
  const kept = new Map<string, Kept>();
  const reading = new Reading();
  let bootTime: bigint | undefined;

  const resolve = (path: string): string => (rootPath === '/' ? path : join(rootPath, path));

  const host: Host = {
    platform,
    rootPath,
    resolve,
    read(path) {
      let file = kept.get(path);
      if (file === undefined) {
        kept.set(path, (file = { fd: openSync(resolve(path), 'r'), isOnePiece: ONE_PIECE.test(path) }));
      }
      try {
        return file.isOnePiece ? reading.readAtOnce(file.fd) : reading.read(file.fd);
      } catch (error) {
        // A device that went away answers ENODEV for ever on the old descriptor; the next read opens the file anew.
        closeSync(file.fd);
        kept.delete(path);
        throw error;
      }
    },
    readOnce(path) {
      const fd = openSync(resolve(path), 'r');
      try {
        return reading.read(fd);
      } finally {
        closeSync(fd);
      }
    },
    open(path) {
      const fd = openSync(resolve(path), 'r');
      return { read: () => reading.readAtOnce(fd), close: () => closeSync(fd) };
    },
    readText: (path) => readFileSync(resolve(path), 'utf8'),
    list: (path) => readdirSync(resolve(path)),
    bootTime: () => (bootTime ??= readBootTime(host)),
    os: process.getBuiltinModule('node:os'),
    systeminformation: () => import('systeminformation'),
    close() {
      for (const { fd } of kept.values()) closeSync(fd);
      kept.clear();
    },
  };
  return host;
}

interface Kept {
  readonly fd: number;
  readonly isOnePiece: boolean;
}

/** Files that the kernel writes in one piece: `single_open` in fs/proc, and what is below `/proc/sys`. */
const ONE_PIECE = /^\/proc\/(loadavg|meminfo|self\/stat|stat|sys\/.+|uptime)$/;

/** The one buffer that a host reads into. */
class Reading {
  #buffer = Buffer.allocUnsafeSlow(1 << 16);
  /** The first so many bytes of it: of small files there are hundreds, and making a view takes longer than filling it. */
  #views: Uint8Array[] = [];

  /** A file from its beginning to its end. */
  read(fd: number): Uint8Array {
    let length = 0;
    for (;;) {
      const got = readSync(fd, this.#buffer, length, this.#buffer.length - length, length);
      length += got;
      // A short read of a seq_file is no end of file: only 0 is.
      if (got === 0) return this.#view(length);
      if (length === this.#buffer.length) {
        const larger = Buffer.allocUnsafeSlow(length * 2);
        this.#buffer.copy(larger);
        this.#buffer = larger;
        this.#views = [];
      }
    }
  }

  /** A file in one piece: one read is all, so the one that would say so is spared. It is a sixth of the cost. */
  readAtOnce(fd: number): Uint8Array {
    const buffer = this.#buffer;
    const got = readSync(fd, buffer, 0, buffer.length, 0);
    return got < buffer.length ? this.#view(got) : this.read(fd);
  }

  #view(length: number): Uint8Array {
    if (length >= MOST_KEPT_VIEWS) return this.#buffer.subarray(0, length);
    const views = this.#views;
    while (views.length <= length) views.push(NO_BYTES);
    const known = views[length]!;
    if (known.length === length) return known;
    return (views[length] = this.#buffer.subarray(0, length));
  }
}

const MOST_KEPT_VIEWS = 512;
const NO_BYTES = new Uint8Array(0);

/** The line `btime 1732200000` of `/proc/stat`: seconds since 1970. */
function readBootTime(host: Host): bigint {
  if (host.platform !== 'linux')
    return BigInt(Math.round((Date.now() - host.os.uptime() * 1000) / 1000)) * 1_000_000_000n;
  const match = /^btime (\d+)$/m.exec(host.readText('/proc/stat'));
  if (match === null) throw new SyntaxError('Cannot read the boot time: no line "btime" in /proc/stat');
  return BigInt(match[1]!) * 1_000_000_000n;
}
