/** Events as log records: names, attributes and words. */
import { readlinkSync } from 'node:fs';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { eventRecord, INFO, WARN } from '../../src/model/event_record.ts';
import type { SeverityNumber } from '../../src/model/severity.ts';
import type { Hasher } from './hash.ts';
import type { Outlet } from '../../src/outlet.ts';
import { PATH_ENCODING, readable, systemPath } from './source.ts';
import { fileType, type Facts } from './table.ts';

export const CHANGES = ['create', 'modify', 'attribute_change', 'rename', 'delete'] as const;
export type Change = (typeof CHANGES)[number];
/** What becomes of the watching itself. */
export type Notice = 'overflow' | 'exhausted' | 'unreadable' | 'skipped' | 'mounted' | 'unmounted' | 'rescan';

/** When and how a change came to be known. */
export interface Cause {
  /** Unix nanoseconds; 0n where it is not known when it happened. */
  readonly time: bigint;
  /** Told by the kernel, or found by looking. */
  readonly source: 'watch' | 'scan';
  /** More than the event's name says, as `moved_in`. */
  readonly reason?: string | undefined;
}

export interface Report {
  /**
   * @param path as people read it
   * @param raw as the system is asked for it, where the file is still there
   * @param facts undefined where it was gone when it was looked at
   */
  change(
    change: Change,
    path: string,
    raw: string | undefined,
    facts: Facts | undefined,
    cause: Cause,
    more?: More,
  ): void;
  notice(notice: Notice, body: string, attributes: More): void;
}

type More = Readonly<Record<string, AnyValue>>;

export interface ReportOptions {
  readonly outlet: Outlet;
  readonly resource: Resource;
  readonly scope: Scope;
  /** Whether the path is of a canary, which is not told. */
  readonly isCanary: (path: string) => boolean;
  /** Those that are wanted. */
  readonly changes: ReadonlySet<Change>;
  readonly hasher: Hasher | undefined;
  readonly userName: (uid: number) => string;
  readonly groupName: (gid: number) => string | undefined;
  /** Whether modes and owners mean anything here. */
  readonly hasOwners: boolean;
}

const WORDS: Readonly<Record<Change, string>> = {
  create: 'created',
  modify: 'modified',
  attribute_change: 'attributes changed',
  rename: 'renamed',
  delete: 'deleted',
};
const QUIET: ReadonlySet<Notice> = new Set<Notice>(['mounted', 'rescan', 'skipped']);

export function createReport(options: ReportOptions): Report {
  const { outlet, resource, scope, hasher } = options;

  function describe(attributes: Record<string, AnyValue>, facts: Facts): void {
    attributes['file.inode'] = String(facts.inode);
    attributes['file.size'] = facts.size;
    attributes['file.type'] = fileType(facts.mode);
    attributes['file.modified'] = timeText(facts.modified);
    attributes['file.changed'] = timeText(facts.changed);
    if (!options.hasOwners) return;
    attributes['file.mode'] = modeText(facts.mode);
    attributes['file.owner.id'] = String(facts.uid);
    attributes['file.group.id'] = String(facts.gid);
    const owner = options.userName(facts.uid);
    if (owner !== String(facts.uid)) attributes['file.owner.name'] = owner;
    const group = options.groupName(facts.gid);
    if (group !== undefined) attributes['file.group.name'] = group;
  }

  function push(
    eventName: string,
    severityNumber: SeverityNumber,
    body: string,
    time: bigint,
    attributes: Record<string, AnyValue>,
    ready?: Promise<void>,
  ): void {
    const record = eventRecord({
      resource,
      scope,
      time,
      observedTime: BigInt(Date.now()) * 1_000_000n,
      severityNumber,
      body,
      attributes,
      eventName,
    });
    outlet.push(record, ready);
  }

  return {
    change(change, path, raw, facts, { time, source, reason }, more) {
      if (options.isCanary(path) || !options.changes.has(change)) return;
      const attributes: Record<string, AnyValue> = { ...nameAttributes(path), 'file.event.source': source };
      if (reason !== undefined) attributes['file.event.reason'] = reason;
      if (facts !== undefined) describe(attributes, facts);
      if (more !== undefined) Object.assign(attributes, more);
      if (raw !== undefined && attributes['file.type'] === 'symlink') addTarget(attributes, raw);
      const isContentNew = change === 'modify' || change === 'create';
      const isHashed =
        hasher !== undefined && isContentNew && raw !== undefined && attributes['file.type'] === 'regular';
      const ready = isHashed ? hasher.add(raw, facts!, attributes) : undefined;
      const target = change === 'rename' ? ` (was ${String(more?.['file.previous.path'])})` : '';
      push(`file.${change}`, INFO, `${path} ${WORDS[change]}${target}`, time, attributes, ready);
    },
    notice(notice, body, attributes) {
      const severity = QUIET.has(notice) ? INFO : WARN;
      push(`file.watch.${notice}`, severity, body, BigInt(Date.now()) * 1_000_000n, { ...attributes });
    },
  };
}

/** `/etc/ssl/openssl.cnf` → path, name, directory and extension, as the semantic conventions have them. */
export function nameAttributes(path: string): Record<string, AnyValue> {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const attributes: Record<string, AnyValue> = {
    'file.path': path,
    'file.name': name,
    'file.directory': slash > 0 ? path.slice(0, slash) : '/',
  };
  const dot = name.lastIndexOf('.');
  if (dot > 0 && dot < name.length - 1) attributes['file.extension'] = name.slice(dot + 1);
  return attributes;
}

function addTarget(attributes: Record<string, AnyValue>, raw: string): void {
  try {
    attributes['file.symbolic_link.target_path'] = readable(readlinkSync(systemPath(raw), PATH_ENCODING));
  } catch {
    // It is gone, or is no link any more: the next event says so.
  }
}

/** As `0644`: permissions with setuid, setgid and sticky bit. */
export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function timeText(nanoseconds: bigint): string {
  const ms = Number(nanoseconds / 1_000_000n);
  // Beyond what a date can be: a file may claim any time.
  return Math.abs(ms) > 8.64e15 ? '' : new Date(ms).toISOString();
}
