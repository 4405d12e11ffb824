/** Which source tells: as asked for, or the first of them that works. */
import { statfsSync } from 'node:fs';
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { openNetlink } from './netlink.ts';
import type { KernelSource, Sink } from './source.ts';
import { openTracefs } from './tracefs.ts';

export const CHOICES = ['auto', 'netlink', 'tracefs', 'scan'] as const;
export type Choice = (typeof CHOICES)[number];

const PROC_SUPER_MAGIC = 0x9fa0;

/**
 * @returns undefined where the process table has to do
 * @throws {Error} the source that was asked for does not work
 */
export async function openKernelSource(
  config: { readonly source: Choice; readonly buffer: number },
  host: Host,
  log: ComponentLog,
  sink: Sink,
): Promise<KernelSource | undefined> {
  if (config.source === 'scan') return undefined;
  const reasons: string[] = [];
  for (const name of ['netlink', 'tracefs'] as const) {
    if (config.source !== 'auto' && config.source !== name) continue;
    try {
      requireSameKernel(host);
      if (name === 'netlink') return await openNetlink({ sink, log, buffer_bytes: config.buffer });
      return openTracefs({ host, sink, log, buffer_bytes: config.buffer });
    } catch (error) {
      if (config.source !== 'auto') throw error;
      reasons.push(messageOf(error));
    }
  }
  log.warn(`Hears of processes from the process table alone: ${reasons.join('; ')}`);
  return undefined;
}

/** @throws {Error} what is measured is not what this kernel tells of */
function requireSameKernel(host: Host): void {
  const path = host.resolve('/proc');
  if (process.platform !== 'linux' || host.platform !== 'linux' || statfsSync(path).type !== PROC_SUPER_MAGIC) {
    throw new Error(`Cannot listen to the kernel: ${path} is not of this machine`);
  }
}
