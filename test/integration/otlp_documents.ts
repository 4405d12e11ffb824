/** Reads OTLP/JSON, a document a line, as the exporter `file` and the Collector's write it. */
import { existsSync, readFileSync } from 'node:fs';

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface Point {
  readonly attributes?: readonly KeyValue[];
  readonly timeUnixNano: string;
  readonly startTimeUnixNano?: string;
  readonly asInt?: string;
  readonly asDouble?: number;
  readonly flags?: number;
}
interface Metric {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic?: boolean };
}

/** What a document holds, as far as tests read it. */
export interface OtlpDocument {
  readonly resourceMetrics?: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeMetrics: readonly {
      readonly scope: { readonly name: string };
      readonly metrics: readonly Metric[];
    }[];
  }[];
}

/** The documents in a file that may still be written; none if it is not there. */
export function documentsIn(file: string): OtlpDocument[] {
  if (!existsSync(file)) return [];
  // The last line ends with its line feed, or is not whole yet.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as OtlpDocument);
}

export interface ReceivedPoint {
  /** Everything that tells one point from another. */
  readonly key: string;
  /** `int 5`, `double 0.5` or `ended`. */
  readonly value: string;
  readonly name: string;
  readonly scope: string;
  /** Texts by key. */
  readonly resource: ReadonlyMap<string, string>;
}

/** Every number point, in the order in which they came. */
export function pointsIn(documents: readonly OtlpDocument[]): ReceivedPoint[] {
  const points: ReceivedPoint[] = [];
  for (const { resourceMetrics = [] } of documents) {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const texts = new Map(resource.attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]));
      const rest = resource.attributes.filter(({ key }) => key !== 'way').map(textOf);
      for (const { scope, metrics } of scopeMetrics) {
        for (const metric of metrics) {
          for (const point of (metric.gauge ?? metric.sum)?.dataPoints ?? []) {
            const key = JSON.stringify([rest.toSorted(), scope.name, ...identityOf(metric, point)]);
            points.push({ key, value: valueOf(point), name: metric.name, scope: scope.name, resource: texts });
          }
        }
      }
    }
  }
  return points;
}

/** Values by key of the points whose resource has the attribute `way` with this value. */
export function pointsOf(documents: readonly OtlpDocument[], way: string): Map<string, string> {
  const points = pointsIn(documents).filter(({ resource }) => resource.get('way') === way);
  return new Map(points.map(({ key, value }) => [key, value]));
}

function identityOf({ name, unit, description, gauge, sum }: Metric, point: Point): unknown[] {
  const attributes = (point.attributes ?? []).map(textOf).toSorted();
  const { timeUnixNano, startTimeUnixNano = '0' } = point;
  const kind = gauge === undefined ? `sum ${sum?.isMonotonic === true}` : 'gauge';
  return [name, unit, description, kind, attributes, startTimeUnixNano, timeUnixNano];
}

function valueOf({ asInt, asDouble, flags }: Point): string {
  if (flags === 1) return 'ended';
  return asInt === undefined ? `double ${asDouble}` : `int ${asInt}`;
}

function textOf({ key, value }: KeyValue): string {
  return `${key}=${JSON.stringify(value)}`;
}
