/** Finds the name that was probably meant. */

/** The known name nearest to `name`, if one is near enough to be a slip of the fingers. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const wanted = normal(name);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, normal(candidate), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** A hint that names the nearest known name, or all of them where none is near. */
export function suggestion(name: string, known: readonly string[]): string | undefined {
  const meant = nearest(name, known);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  return known.length === 0 ? undefined : `known: ${known.join(', ')}`;
}

/** `collectionInterval` and `collection-interval` are one slip away from `collection_interval`, not four. */
function normal(name: string): string {
  return name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
}

/** Insertions, deletions, substitutions and swaps of neighbours (Damerau); gives up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > 200 || b.length > 200) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** What users of the OpenTelemetry Collector write, and what it is called here. */
const COLLECTOR_NAMES: Readonly<Record<string, string>> = {
  hostmetrics: 'the scrapers are receivers of their own here: cpu, load, memory, paging, disk, filesystem, network, …',
  otlphttp: 'use exporter "otlp" with protocol: http/protobuf',
  otlp_http: 'use exporter "otlp" with protocol: http/protobuf',
  otlp_grpc: 'use exporter "otlp" with protocol: grpc',
  connectors:
    'a connector, as "count", is defined under receivers, and named among the exporters of one pipeline and the receivers of another',
  logging: 'use exporter "debug"',
  resourcedetectionprocessor: 'use processor "resourcedetection"',
  'service.telemetry': 'the agent’s log is set by agent.log; its own metrics come from receiver "self"',
};

/** A hint for a name that the OpenTelemetry Collector knows. */
export function collectorHint(name: string): string | undefined {
  return Object.hasOwn(COLLECTOR_NAMES, name) ? COLLECTOR_NAMES[name] : undefined;
}
