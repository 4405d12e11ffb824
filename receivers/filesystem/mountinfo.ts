/** The list of mounts that `/proc/PID/mountinfo` holds, and which of them a path still leads to. */
import { Cursor } from '../../src/procfs/bytes.ts';

/** One mount. Paths are those of the measured machine. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of the file system: the same for everything that is mounted of it. */
  readonly device: string;
  /** The folder within the file system that is mounted; `/` for the whole. */
  readonly root: string;
  readonly mountPoint: string;
  /** Of the file system itself: a read-only view of it, such as a service manager's sandbox makes, changes nothing. */
  readonly mode: 'ro' | 'rw';
  readonly type: string;
  /** What was mounted, as `/dev/sda1`, `tmpfs` or `server:/export`. */
  readonly source: string;
}

const NEWLINE = 10;
const SPACE = 32;
const BACKSLASH = 92;
const SEPARATOR = '-';

/**
 * `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: id, parent, device, root, mount
 * point, options, any number of optional fields, `-`, type, source, options of the file system. Fields are separated
 * by one space, and may be empty. Source: https://docs.kernel.org/filesystems/proc.html (3.5)
 *
 * @returns the mounts of all lines that could be read, and the first line that could not
 */
export function parseMountinfo(file: Uint8Array): { readonly mounts: readonly Mount[]; readonly bad?: string } {
  const mounts: Mount[] = [];
  const cursor = new Cursor(file);
  let bad: string | undefined;
  let start = 0;
  while (start < file.length) {
    const end = file.indexOf(NEWLINE, start);
    const mount = end === -1 ? undefined : parseMount(splitFields(file, start, end));
    if (mount !== undefined) mounts.push(mount);
    else {
      cursor.position = start;
      bad ??= cursor.quoteLine();
    }
    start = end === -1 ? file.length : end + 1;
  }
  return bad === undefined ? { mounts } : { mounts, bad };
}

function parseMount(fields: readonly string[]): Mount | undefined {
  const separator = fields.indexOf(SEPARATOR, 6);
  if (separator === -1 || fields.length < separator + 4) return undefined;
  const id = Number(fields[0]);
  const parent = Number(fields[1]);
  if (!Number.isInteger(id) || !Number.isInteger(parent) || !/^\d+:\d+$/.test(fields[2]!)) return undefined;
  return {
    id,
    parent,
    device: fields[2]!,
    root: fields[3]!,
    mountPoint: fields[4]!,
    mode: isReadOnly(fields[separator + 3]!) ? 'ro' : 'rw',
    type: fields[separator + 1]!,
    source: fields[separator + 2]!,
  };
}

function isReadOnly(options: string): boolean {
  return options === 'ro' || options.startsWith('ro,');
}

function splitFields(file: Uint8Array, start: number, end: number): string[] {
  const fields: string[] = [];
  let from = start;
  for (let at = start; at <= end; at++) {
    if (at < end && file[at] !== SPACE) continue;
    fields.push(unescape(file, from, at));
    from = at + 1;
  }
  return fields;
}

/** The kernel writes blanks, newlines, backslashes and `#` as `\040`, `\011`, `\012`, `\134`, `\043`. */
function unescape(file: Uint8Array, start: number, end: number): string {
  const raw = Buffer.from(file.buffer, file.byteOffset + start, end - start);
  if (!raw.includes(BACKSLASH)) return raw.toString();
  const bytes = Buffer.alloc(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at++) {
    const code = raw[at] === BACKSLASH ? octal(raw, at + 1) : -1;
    if (code === -1) bytes[length++] = raw[at]!;
    else {
      bytes[length++] = code;
      at += 3;
    }
  }
  return bytes.toString('utf8', 0, length);
}

/** The byte that three octal digits from `at` on make; -1 if they are none. */
function octal(bytes: Uint8Array, at: number): number {
  let code = 0;
  for (let i = at; i < at + 3; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 7) return -1;
    code = code * 8 + digit;
  }
  return code > 255 ? -1 : code;
}

/**
 * The mounts that their path leads to: not those that a later mount covers, at the same place or further up. A mount
 * is covered if another one at its path, or at a folder above it, is not among the mounts that it stands on.
 */
export function visibleMounts(mounts: readonly Mount[]): readonly Mount[] {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  const byPath = Map.groupBy(mounts, (mount) => mount.mountPoint);
  return mounts.filter((mount) => {
    const below = idsBelow(mount, byId);
    return foldersOf(mount.mountPoint).every((path) => byPath.get(path)?.every(({ id }) => below.has(id)) ?? true);
  });
}

/** The mount itself and those that it stands on, down to the root. */
function idsBelow(mount: Mount, byId: ReadonlyMap<number, Mount>): ReadonlySet<number> {
  const ids = new Set<number>();
  for (let at: Mount | undefined = mount; at !== undefined && !ids.has(at.id); at = byId.get(at.parent)) ids.add(at.id);
  return ids;
}

/** `/a/b` → `/a/b`, `/a`, `/`. */
function foldersOf(path: string): string[] {
  const folders = [path];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) folders.push(path.slice(0, end));
  if (path !== '/') folders.push('/');
  return folders;
}
