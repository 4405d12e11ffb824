/** File systems of machines without `/proc`, as the library systeminformation tells of them. */
import type { Host } from '../../src/component.ts';
import type { Mount } from './mountinfo.ts';
import type { StatfsResult } from './statfs_calls.ts';

/** What `fsSize()` says of one file system; it asks `df`, on Windows the management interface. */
interface FsSizeData {
  readonly fs: string;
  readonly type: string;
  readonly size: number;
  readonly used: number;
  readonly available: number;
  readonly mount: string;
  /** null where the library does not know. */
  readonly rw: boolean | null;
}

export async function listFileSystems(host: Host): Promise<readonly (readonly [Mount, StatfsResult])[]> {
  const { fsSize } = await host.systeminformation();
  const listed: readonly FsSizeData[] = await fsSize();
  return listed.map((item, id) => [mountOf(item, id), figuresOf(item)]);
}

function mountOf({ fs, type, mount, rw }: FsSizeData, id: number): Mount {
  const mode = rw === false ? 'ro' : 'rw';
  return { id, parent: 0, device: fs, root: '/', mountPoint: mount, mode, type: typeOf(type), source: fs };
}

/** `APFS`, `HFS`, `NTFS`, as the semantic conventions write them. */
function typeOf(type: string): string {
  const name = type.toLowerCase();
  return name === 'hfs' ? 'hfsplus' : name;
}

/** In bytes. Of volumes that share a container (APFS), what the others take is neither used nor free: it is reserved. */
function figuresOf({ size, used, available }: FsSizeData): StatfsResult {
  return { blocks: size, bfree: size - used, bavail: available, bsize: 1, frsize: 1, files: 0, ffree: 0 };
}
