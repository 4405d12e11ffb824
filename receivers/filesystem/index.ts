import { promises, statfsSync } from 'node:fs';
import * as v from 'valibot';
import {
  type BatchObservableResult,
  defineReceiver,
  type ReceiverContext,
  type TimeLimit,
} from '../../src/component.ts';
import { duration, option } from '../../src/config/options.ts';
import { globs } from '../../src/text/name_filter.ts';
import { listFileSystems } from './elsewhere.ts';
import type { Mount } from './mountinfo.ts';
import { createMounts, type MountsOptions, type ReportedMount } from './mounts.ts';
import { createSelection, DEFAULT_EXCLUDED_MOUNT_POINTS, DEFAULT_EXCLUDED_TYPES, type Risk } from './selection.ts';
import { createSeries, type MountSeries } from './series.ts';
import { createStatfsCalls, type StatfsAnswer, type StatfsCalls, type StatfsResult } from './statfs_calls.ts';

const ATTRIBUTES = [
  'system.device',
  'system.filesystem.mode',
  'system.filesystem.mountpoint',
  'system.filesystem.type',
];
const ATTRIBUTES_STATE = [...ATTRIBUTES, 'system.filesystem.state'];

const config = {
  include_fs_types: option(globs(), 'Types to report, as globs; all if empty.', []),
  exclude_fs_types: option(
    globs(),
    'Types to leave out, as globs; the file system at / is reported whatever its type.',
    DEFAULT_EXCLUDED_TYPES,
  ),
  include_mount_points: option(globs(), 'Mount points to report, as globs; all if empty.', []),
  exclude_mount_points: option(globs(), 'Mount points to leave out, as globs.', DEFAULT_EXCLUDED_MOUNT_POINTS),
  include_devices: option(globs(), 'Devices to report, as globs; all if empty.', []),
  exclude_devices: option(globs(), 'Devices to leave out, as globs.', []),
  mount_timeout: option(
    v.pipe(duration(), v.minValue(1, 'a duration of at least 1ms')),
    'A file system that does not answer in this time is left out, and not asked again until it answered.',
    '2s',
  ),
};

const metrics = {
  usage: {
    name: 'system.filesystem.usage',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Bytes used, free for everyone, and reserved for the superuser; together the size of the file system.',
    attributes: ATTRIBUTES_STATE,
  },
  utilization: {
    name: 'system.filesystem.utilization',
    instrument: 'gauge',
    unit: '1',
    value: 'double',
    about: 'Share of the file system’s bytes that is used.',
    attributes: ATTRIBUTES_STATE,
  },
  limit: {
    name: 'system.filesystem.limit',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Size of the file system.',
    attributes: ATTRIBUTES,
    optIn: true,
  },
  inodes: {
    name: 'system.filesystem.inodes.usage',
    instrument: 'updowncounter',
    unit: '{inode}',
    about: 'Inodes used and free; nothing for file systems that make them as needed, such as Btrfs.',
    attributes: ATTRIBUTES_STATE,
    source: 'collector',
  },
} as const;

export default defineReceiver({
  type: 'filesystem',
  about: 'Asks how full each mounted file system is; one that hangs is left out alone.',
  config: v.strictObject(config),
  metrics,
  permissions: [
    { needs: 'search permission on the folders above a mount', without: 'file systems below folders of other users' },
  ],
  sources: ['/proc/self/mountinfo', '/proc/1/mountinfo', 'statfs(2) of every mount'],
  create: (context) => createFilesystem(context, processCalls()),
});

/** Figures of file systems as the whole process asks for them: it has one pool of threads. */
let sharedCalls: StatfsCalls | undefined;
function processCalls(): StatfsCalls {
  // libuv's default is 4.
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4;
  return (sharedCalls ??= createStatfsCalls({
    statfs: (path) => promises.statfs(path),
    statfsNow: (path) => statfsSync(path),
    threads,
  }));
}

type Context = Pick<
  ReceiverContext<v.InferOutput<v.StrictObjectSchema<typeof config, undefined>>, typeof metrics>,
  'config' | 'host' | 'log' | 'metrics' | 'isEnabled'
>;

/** The receiver, with the parts that tests replace. */
export function createFilesystem(
  { config, host, log, metrics, isEnabled }: Context,
  calls: StatfsCalls,
  readOwnMountinfo?: MountsOptions['readOwnMountinfo'],
) {
  const select = createSelection(config);
  let seriesOf: ReadonlyMap<Mount, MountSeries> = new Map();

  /** Keeps the attributes of mounts that are still there; a mount is the same object as long as nothing changed. */
  function renewSeries(mounts: readonly Mount[]): ReadonlyMap<Mount, MountSeries> {
    if (mounts.length !== seriesOf.size || !mounts.every((mount) => seriesOf.has(mount))) {
      seriesOf = new Map(mounts.map((mount) => [mount, seriesOf.get(mount) ?? createSeries(mount)]));
    }
    return seriesOf;
  }

  function observe(observer: BatchObservableResult, series: MountSeries, figures: StatfsResult): void {
    const { blocks, files } = figures;
    // Some say less than 0 of what is free, or more than there is.
    const free = clamp(figures.bfree, blocks);
    const available = clamp(figures.bavail, free);
    // The unit of the block counts; `bsize` is only the best size of a transfer.
    const blockBytes = figures.frsize || figures.bsize;
    if (blocks > 0) {
      observer.observe(metrics.usage, (blocks - free) * blockBytes, series.used);
      observer.observe(metrics.usage, available * blockBytes, series.free);
      observer.observe(metrics.usage, (free - available) * blockBytes, series.reserved);
      observer.observe(metrics.utilization, (blocks - free) / blocks, series.used);
      if (isEnabled('limit')) observer.observe(metrics.limit, blocks * blockBytes, series.all);
    }
    if (files > 0) {
      const freeInodes = clamp(figures.ffree, files);
      observer.observe(metrics.inodes, files - freeInodes, series.used);
      observer.observe(metrics.inodes, freeInodes, series.free);
    }
  }

  function report({ mountPoint, type }: Mount, answer: StatfsAnswer): void {
    const key = `mount ${mountPoint}`;
    if (answer.outcome === 'known') log.over(key, `The file system at ${mountPoint} answers again`);
    else if (answer.outcome === 'failed')
      log.once(key, `Cannot measure the file system at ${mountPoint}: ${codeOf(answer.error)}`);
    else if (answer.outcome === 'hanging') {
      log.once(
        key,
        `Cannot measure the file system at ${mountPoint} (${type}): no answer in ${config.mount_timeout} ms`,
      );
    }
    if (answer.outcome === 'skipped') {
      log.once('skipped', `Cannot ask further file systems: ${calls.hanging} do not answer`, { first: mountPoint });
    } else if (calls.hanging === 0) log.over('skipped', 'All file systems are asked again');
  }

  async function collectElsewhere(observer: BatchObservableResult): Promise<void> {
    const figures = new Map(await listFileSystems(host));
    for (const mount of select([...figures.keys()])) observe(observer, createSeries(mount), figures.get(mount)!);
  }

  if (host.platform !== 'linux') return { collect: collectElsewhere };
  const readMounts = createMounts({
    host,
    log,
    select,
    ...(readOwnMountinfo === undefined ? {} : { readOwnMountinfo }),
  });
  /** One after the other, and last those that may hang: no more threads are taken than are known to hang. */
  async function askRisky(
    mounts: readonly ReportedMount[],
    limit: TimeLimit,
    take: (mount: ReportedMount, answer: StatfsAnswer) => void,
  ): Promise<void> {
    for (const risk of RISKS) {
      for (const mount of mounts) {
        if (mount.risk !== risk || limit.isOver) continue;
        const path = host.resolve(mount.mountPoint);
        take(mount, await calls.ask(path, risk === 'remote', config.mount_timeout, limit.signal));
      }
    }
  }

  return {
    collect(observer: BatchObservableResult, limit: TimeLimit): void | Promise<void> {
      const mounts = readMounts();
      // Its own, for as long as it runs: a collection that was given up may still wait when the next one begins.
      const series = renewSeries(mounts);
      const take = (mount: ReportedMount, answer: StatfsAnswer): void => {
        report(mount, answer);
        if (answer.outcome === 'known') observe(observer, series.get(mount)!, answer.figures);
      };
      let mayHang = false;
      for (const mount of mounts) {
        if (mount.risk === 'none') take(mount, calls.askNow(host.resolve(mount.mountPoint)));
        else mayHang = true;
      }
      return mayHang ? askRisky(mounts, limit, take) : undefined;
    },
  };
}

const RISKS: readonly Risk[] = ['disk', 'remote'];

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM' ? `permission denied (${code})` : (code ?? message);
}
