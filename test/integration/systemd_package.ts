/** systemd of its Debian package, unpacked: whether this machine has one does not matter. */
import { join } from 'node:path';
import { program } from './servers.ts';

export interface SystemdPackage {
  readonly root: string;
  /** Where its programs find their libraries: LD_LIBRARY_PATH. */
  readonly libraries: string;
}

export async function unpackSystemd(): Promise<SystemdPackage> {
  const root = join(await program('journald'), '../../..');
  const folders = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].flatMap((machine) => [
    join(root, 'usr/lib', machine),
    join(root, 'usr/lib', machine, 'systemd'),
  ]);
  return { root, libraries: [join(root, 'lib/systemd'), ...folders].join(':') };
}
