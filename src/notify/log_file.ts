/** Writes a line of JSON for each change of an alert to a file that does not outgrow its bounds. */
import { appendFileSync, closeSync, openSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { messageOf, RetryableError } from '../errors.ts';
import type { Notification } from '../rules/alert.ts';
import { makeFolder } from '../state_directory.ts';
import type { Transport } from './direct.ts';
import { fingerprintOf } from './identity.ts';
import { isResolved, type Origin } from './message.ts';
import type { LogFileConfig } from './options.ts';

export function createLogFile({ path: given, max_bytes, max_files }: LogFileConfig, origin: Origin): Transport {
  const path = resolve(given);
  return {
    place: `log in ${path}`,
    hint: 'make room, or let the agent write there',
    async send({ firing, resolved }) {
      const lines = [...firing, ...resolved].map((notification) => `${logLine(notification, origin)}\n`).join('');
      try {
        rotate(path, Buffer.byteLength(lines), max_bytes, max_files);
        append(path, lines);
      } catch (error) {
        throw new RetryableError(`Cannot write "${path}": ${messageOf(error)}`, { cause: error });
      }
    },
  };
}

export function logLine(notification: Notification, { host }: Origin): string {
  const { alert, startsAt_ms, endsAt_ms } = notification;
  return JSON.stringify({
    time: new Date(isResolved(notification) ? endsAt_ms : startsAt_ms).toISOString(),
    state: alert.state,
    host,
    labels: Object.fromEntries(alert.labels),
    annotations: Object.fromEntries(alert.annotations),
    value: Number.isFinite(alert.value) ? alert.value : String(alert.value),
    startsAt: new Date(startsAt_ms).toISOString(),
    ...(isResolved(notification) && { endsAt: new Date(endsAt_ms).toISOString() }),
    group: alert.group,
    rule: alert.rule,
    fingerprint: fingerprintOf(alert.labels),
  });
}

function append(path: string, lines: string): void {
  const before = sizeOf(path);
  if (before === undefined) create(path);
  try {
    appendFileSync(path, lines);
  } catch (error) {
    // A full disk may have taken a part of it: the repetition must not stand behind half a line.
    truncateSync(path, before ?? 0);
    throw error;
  }
}

/** Annotations may say what is not for everybody. */
function create(path: string): void {
  makeFolder(dirname(path));
  closeSync(openSync(path, 'a', 0o600));
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** `alerts.jsonl` → `alerts.jsonl.1` → `alerts.jsonl.2`, …; the last one goes. */
function rotate(path: string, added: number, max_bytes: number, max_files: number): void {
  const size = sizeOf(path) ?? 0;
  if (size === 0 || size + added <= max_bytes) return;
  const nameOf = (index: number): string => (index === 0 ? path : `${path}.${index}`);
  rmSync(nameOf(max_files - 1), { force: true });
  for (let index = max_files - 2; index >= 0; index--) {
    if (sizeOf(nameOf(index)) !== undefined) renameSync(nameOf(index), nameOf(index + 1));
  }
}
