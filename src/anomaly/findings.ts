/** Anomalies as findings for the board: so many a minute, and one that says how many there were besides. */
import type { AnyValue, Attributes } from '../model/attributes.ts';
import { INFO, WARN } from '../model/event_record.ts';
import type { Finding } from '../rules/board.ts';
import { valueText } from '../text/value_text.ts';
import type { Happening, Watched } from './watch.ts';

const DETECTED = 'anomaly.detected';
const ENDED = 'anomaly.ended';
const SUMMARY = 'anomaly.summary';

const MINUTE_MS = 60_000;
/** Names of metrics in a summary. */
const MOST_NAMES = 10;

export interface Announcer {
  announce(happening: Happening): void;
  /** To be called once in a while: says what was left out, when its minute is over. */
  flush(now_ms: number): void;
}

export function createAnnouncer(perMinute: number, announce: (finding: Finding) => void): Announcer {
  let minute = -1;
  let told = 0;
  let leftOut = 0;
  let names = new Map<string, number>();
  /** What began and was not told of: nor is its end. */
  const untold = new Set<number>();

  function flush(now_ms: number): void {
    const current = Math.floor(now_ms / MINUTE_MS);
    if (current === minute) return;
    minute = current;
    told = 0;
    if (leftOut === 0) return;
    const most = [...names].sort((a, b) => b[1] - a[1]).slice(0, MOST_NAMES);
    announce({
      eventName: SUMMARY,
      time_ms: now_ms,
      severityNumber: WARN,
      body: `${leftOut} more ${leftOut === 1 ? 'anomaly' : 'anomalies'}, most in ${most.map(([name]) => name).join(', ')}`,
      attributes: { 'anomaly.count': leftOut, 'anomaly.metrics': most.map(([name]) => name) },
    });
    leftOut = 0;
    names = new Map();
  }

  return {
    announce(happening) {
      const now_ms = happening.time_s * 1000;
      flush(now_ms);
      const id = happening.group?.id ?? happening.watched.id;
      if (happening.outcome !== 'began') {
        if (!untold.delete(id)) announce(endedFinding(happening));
        return;
      }
      if (told < perMinute) {
        told++;
        untold.delete(id);
        announce(detectedFinding(happening));
        return;
      }
      leftOut++;
      untold.add(id);
      const { name } = happening.watched.series.metric;
      names.set(name, (names.get(name) ?? 0) + 1);
    },
    flush,
  };
}

function detectedFinding(happening: Happening): Finding {
  const { time_s, watched, group, model } = happening;
  const what = textOf(watched);
  const range = `${short(model.lower)} to ${short(model.upper)}`;
  return {
    eventName: DETECTED,
    time_ms: time_s * 1000,
    severityNumber: WARN,
    body:
      group === undefined
        ? `Anomaly (${model.kind}): ${what} is ${short(watched.value)}, expected ${range}`
        : `Anomaly in the group ${group.name}: its series do not behave together as usual, most of all ${what}`,
    attributes: {
      ...commonAttributes(happening),
      'anomaly.score': model.score,
      'anomaly.value': group === undefined ? watched.value : model.lastValue,
      'anomaly.expected': model.expected,
      'anomaly.lower': model.lower,
      'anomaly.upper': model.upper,
    },
  };
}

function endedFinding(happening: Happening): Finding {
  const { time_s, watched, group, model, outcome } = happening;
  const how =
    outcome === 'adapted' ? 'it is the new normal' : outcome === 'vanished' ? 'nothing more comes' : 'it is over';
  const what = group === undefined ? textOf(watched) : `the group ${group.name}`;
  return {
    eventName: ENDED,
    time_ms: time_s * 1000,
    severityNumber: INFO,
    body: `Anomaly of ${what} ended: ${how}`,
    attributes: {
      ...commonAttributes(happening),
      'anomaly.outcome': outcome,
      'anomaly.score': model.peak,
      'anomaly.duration': time_s - model.beganAt_s,
    },
  };
}

function commonAttributes({ watched, group, model }: Happening): Attributes {
  const { series, feature } = watched;
  const attributes: Record<string, AnyValue> = { ...series.attributes };
  // Whose series it is, where several machines or services come together.
  for (const key of ['host.name', 'service.name']) {
    const value = series.resource.attributes[key];
    if (value !== undefined) attributes[key] ??= value;
  }
  attributes['metric.name'] = series.metric.name;
  attributes['anomaly.feature'] = feature;
  attributes['anomaly.kind'] = group === undefined ? model.kind : 'group';
  const name = group?.name ?? watched.group?.name;
  if (name !== undefined) attributes['anomaly.group'] = name;
  if (group !== undefined) attributes['anomaly.driver'] = textOf(watched);
  return attributes;
}

/** `system.cpu.time{cpu.mode=user} rate`. */
function textOf({ series, feature }: Watched): string {
  const pairs = Object.entries(series.attributes).map(([key, value]) => `${key}=${valueText(value)}`);
  const set = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  return `${series.metric.name}${set}${feature === 'value' ? '' : ` ${feature.replace('_', ' ')}`}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
