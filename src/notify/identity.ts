/** What tells alerts apart: their labels, in the forms that others know. */
import { createHash } from 'node:crypto';
import type { Labels } from '../store/queryable.ts';

const keys = new WeakMap<Labels, string>();

/** Equal for equal labels. */
export function keyOf(labels: Labels): string {
  let key = keys.get(labels);
  if (key === undefined) {
    key = JSON.stringify([...labels]);
    keys.set(labels, key);
  }
  return key;
}

/** As Alertmanager counts it, so that both name an alert alike: FNV-1a of names and values, 0xff behind each. */
export function fingerprintOf(labels: Labels): string {
  let hash = 0xcbf29ce484222325n;
  const add = (byte: number): void => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  };
  for (const [name, value] of labels) {
    for (const byte of Buffer.from(name)) add(byte);
    add(0xff);
    for (const byte of Buffer.from(value)) add(byte);
    add(0xff);
  }
  return hash.toString(16).padStart(16, '0');
}

/** The same for an alert of a host in every repetition and after a restart, and no other’s. */
export function incidentKeyOf(host: string, labels: Labels): string {
  return `sonde-${createHash('sha256')
    .update(JSON.stringify([host, ...labels]))
    .digest('hex')}`;
}
