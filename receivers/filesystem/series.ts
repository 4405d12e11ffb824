/** The attributes of one mount's series, made once. */
import type { Attributes } from '../../src/model/attributes.ts';
import type { Mount } from './mountinfo.ts';

export interface MountSeries {
  readonly all: Attributes;
  readonly used: Attributes;
  readonly free: Attributes;
  readonly reserved: Attributes;
}

export function createSeries({ source, mode, mountPoint, type }: Mount): MountSeries {
  const all = {
    'system.device': source,
    'system.filesystem.mode': mode,
    'system.filesystem.mountpoint': mountPoint,
    'system.filesystem.type': type,
  };
  return {
    all,
    used: { ...all, 'system.filesystem.state': 'used' },
    free: { ...all, 'system.filesystem.state': 'free' },
    reserved: { ...all, 'system.filesystem.state': 'reserved' },
  };
}
