import type { Reader } from './marshalling.ts';

export interface Unit {
  readonly name: string;
  /** `active`, `failed`, …: org.freedesktop.systemd1(5). */
  readonly activeState: string;
}

/** The reply of ListUnits, `a(ssssssouso)`: name, description, load, active and sub state, … */
export function readUnits(reply: Reader): Unit[] {
  const units: Unit[] = [];
  for (const _ of reply.structures()) {
    const name = reply.string();
    reply.string();
    reply.string();
    units.push({ name, activeState: reply.string() });
    // The sub state, whom it follows, its object path; then its job: number, type, path.
    reply.string();
    reply.string();
    reply.string();
    reply.uint32();
    reply.string();
    reply.string();
  }
  return units;
}
