/** Where the list of the measured machine's mounts comes from, and where this process finds them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ComponentLog, Host } from '../../src/component.ts';
import { attempt } from '../../src/procfs/source.ts';
import { type Mount, parseMountinfo, visibleMounts } from './mountinfo.ts';
import { createRiskOf, type Risk } from './selection.ts';

export interface MountsOptions {
  readonly host: Host;
  readonly log: ComponentLog;
  readonly select: (mounts: readonly Mount[]) => readonly Mount[];
  /** The list of this process's own mounts. */
  readonly readOwnMountinfo?: () => Uint8Array;
}

/** A mount to report. */
export interface ReportedMount extends Mount {
  readonly risk: Risk;
}

const OWN_MOUNTINFO = '/proc/self/mountinfo';
const NO_MOUNTS: readonly Mount[] = [];

/**
 * A function that returns the mounts to report. As long as the kernel's list stays the same, so does the result.
 *
 * In a container with the machine's root at `root_path`, the list is that of the machine's first process, and a mount
 * counts only if it is to be seen below `root_path`: elsewhere its path leads to the folder beneath, and figures of
 * another file system.
 */
export function createMounts(options: MountsOptions): () => readonly ReportedMount[] {
  const { host, log, select, readOwnMountinfo = () => readFileSync(OWN_MOUNTINFO) } = options;
  const rootPath = host.rootPath.replace(/(?<=.)\/+$/, '');
  const isElsewhere = rootPath !== '/';
  const parseOf = (source: string) => (file: Uint8Array) => parseAll(file, source, log);
  const parseHost = onceUntilChanged(parseOf(isElsewhere ? '/proc/1/mountinfo' : OWN_MOUNTINFO));
  const parseOwn = onceUntilChanged(parseOf(OWN_MOUNTINFO));
  const selectFrom = onceForSame((mounts: readonly Mount[], own: readonly Mount[]) => {
    const riskOf = createRiskOf(mounts);
    const isSeen = isElsewhere ? createVisibility(rootPath, own, log) : () => true;
    return select(mounts)
      .filter(isSeen)
      .map((mount) => ({ ...mount, risk: riskOf(mount) }));
  });
  const stripped = onceForSame((own: readonly Mount[]) => belowRoot(rootPath, own));

  return () => {
    if (!isElsewhere) return selectFrom(parseHost(host.read(OWN_MOUNTINFO)), NO_MOUNTS);
    const own = parseOwn(readOwnMountinfo());
    const mounts = attempt(log, '/proc/1/mountinfo', () => parseHost(host.read('/proc/1/mountinfo')));
    return selectFrom(mounts ?? stripped(own), own);
  };
}

function parseAll(file: Uint8Array, source: string, log: ComponentLog): readonly Mount[] {
  const { mounts, bad } = parseMountinfo(file);
  if (bad === undefined) log.over(`lines of ${source}`, `All lines of ${source} can be read again`);
  else log.once(`lines of ${source}`, `Cannot parse ${source}: found the line ${bad}`);
  return visibleMounts(mounts);
}

/** This process's mounts below `rootPath`, under the paths that they have on the machine. */
function belowRoot(rootPath: string, own: readonly Mount[]): readonly Mount[] {
  return own
    .filter(({ mountPoint }) => mountPoint === rootPath || mountPoint.startsWith(`${rootPath}/`))
    .map((mount) => ({ ...mount, mountPoint: mount.mountPoint.slice(rootPath.length) || '/' }));
}

function createVisibility(rootPath: string, own: readonly Mount[], log: ComponentLog): (mount: Mount) => boolean {
  const visible = new Map(own.map(({ mountPoint, device }) => [mountPoint, device]));
  // A copy of a machine's files in an ordinary folder: nothing to compare with.
  if (!visible.has(rootPath)) return () => true;
  return ({ mountPoint, device }) => {
    const path = mountPoint === '/' ? rootPath : join(rootPath, mountPoint);
    const isVisible = visible.get(path) === device;
    const key = `visible ${mountPoint}`;
    if (isVisible) log.over(key, `The file system at ${mountPoint} is to be seen at ${path} again`);
    else {
      log.once(key, `Cannot measure the file system at ${mountPoint}: it is not to be seen at ${path}`, {
        hint: 'mount the machine’s root into the container with its mounts: bind, recursive, propagation rslave',
      });
    }
    return isVisible;
  };
}

/** Wraps a parser so that the same bytes give the same result. */
function onceUntilChanged<T>(parse: (file: Uint8Array) => T): (file: Uint8Array) => T {
  let last: { readonly file: Buffer; readonly result: T } | undefined;
  return (file) => {
    if (last === undefined || !last.file.equals(file)) last = { file: Buffer.from(file), result: parse(file) };
    return last.result;
  };
}

/** Wraps a function so that the same arguments give the same result. */
function onceForSame<A extends readonly unknown[], T>(derive: (...given: A) => T): (...given: A) => T {
  let last: { readonly given: A; readonly result: T } | undefined;
  return (...given) => {
    if (last === undefined || given.some((one, at) => one !== last!.given[at]))
      last = { given, result: derive(...given) };
    return last.result;
  };
}
