/** Alerts in a file, so that they go on in the next process. */
import * as v from 'valibot';
import type { ActiveAlert } from '../../src/rules/alert_states.ts';
import type { GroupMemory, RuleMemory } from '../../src/rules/group.ts';
import { labelsKey } from '../../src/promql/labels.ts';

/** By the key of the group. */
export type Memories = ReadonlyMap<string, GroupMemory>;

const texts = v.array(v.tuple([v.string(), v.string()]));
const time = v.pipe(v.number(), v.finite());
/** JSON has no NaN and no infinities. */
const value = v.union([v.number(), v.pipe(v.picklist(['NaN', 'Infinity', '-Infinity']), v.transform(Number))]);

const FILE = v.object({
  version: v.literal(1),
  groups: v.array(
    v.object({
      key: v.string(),
      at_ms: time,
      rules: v.array(
        v.object({
          key: v.string(),
          alerts: v.array(
            v.object({
              labels: texts,
              annotations: texts,
              state: v.picklist(['pending', 'firing', 'inactive']),
              value,
              activeAt_ms: time,
              firedAt_ms: v.optional(time),
              resolvedAt_ms: v.optional(time),
              keepFiringSince_ms: v.optional(time),
              lastSentAt_ms: v.optional(time),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** Writes itself as JSON. */
export interface KeptAlerts {
  readonly memories: Memories;
  toJSON(): unknown;
}

export function keptAlerts(memories: Memories): KeptAlerts {
  return { memories, toJSON: () => encodeMemories(memories) };
}

function encodeMemories(memories: Memories): unknown {
  const groups = Array.from(memories, ([key, { at_ms, rules }]) => ({
    key,
    at_ms,
    rules: rules
      .filter(({ active }) => active.size > 0)
      .map(({ key: rule, active }) => ({ key: rule, alerts: [...active.values()].map(encodeAlert) })),
  }));
  return { version: 1, groups };
}

function encodeAlert(alert: ActiveAlert): unknown {
  const { labels, annotations, lastSentAt_ms, unconfirmedUntil_ms: _, ...rest } = alert;
  return {
    ...rest,
    labels: [...labels],
    annotations: [...annotations],
    value: Number.isFinite(alert.value) ? alert.value : String(alert.value),
    ...(Number.isFinite(lastSentAt_ms) && { lastSentAt_ms }),
  };
}

/** Undefined for what is no such file. */
export function parseKeptAlerts(json: unknown): KeptAlerts | undefined {
  const parsed = v.safeParse(FILE, json);
  if (!parsed.success) return undefined;
  const memories = new Map<string, GroupMemory>();
  for (const { key, at_ms, rules } of parsed.output.groups) {
    memories.set(key, { at_ms, rules: rules.map(decodeRule) });
  }
  return keptAlerts(memories);
}

type RuleOfFile = v.InferOutput<typeof FILE>['groups'][number]['rules'][number];

function decodeRule({ key, alerts }: RuleOfFile): RuleMemory {
  const active = new Map<string, ActiveAlert>();
  for (const alert of alerts) {
    if (alert.state === 'firing' && alert.firedAt_ms === undefined) continue;
    if (alert.state === 'inactive' && alert.resolvedAt_ms === undefined) continue;
    const labels = new Map(alert.labels);
    active.set(labelsKey(labels), {
      labels,
      annotations: new Map(alert.annotations),
      state: alert.state,
      value: alert.value,
      activeAt_ms: alert.activeAt_ms,
      firedAt_ms: alert.firedAt_ms,
      resolvedAt_ms: alert.resolvedAt_ms,
      keepFiringSince_ms: alert.keepFiringSince_ms,
      lastSentAt_ms: alert.lastSentAt_ms ?? -Infinity,
      unconfirmedUntil_ms: undefined,
    });
  }
  return { key, active, series: new Map() };
}
