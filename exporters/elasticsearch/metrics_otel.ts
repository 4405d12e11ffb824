import { attributesKey } from '../../src/model/attributes.ts';
import { sha1 } from '../../src/text/sha1.ts';
import { textJson } from '../../src/text/value_json.ts';
import { textMember, timeText } from './fields.ts';
import { TIME, type MetricMapping } from './metrics.ts';
import { attributesMember, dataStreamMember, resourceMember, scopeMember } from './otel_fields.ts';
import { dynamicTemplate } from './points.ts';

/** Points in OpenTelemetry's own fields, `metrics.NAME`, with the mappings of Elasticsearch's templates. */
export const otelMetrics: MetricMapping = {
  joinsScopes: false,
  keyOf: ({ startTime, metric }, attributes) => `${startTime} ${metric.unit}\n${attributesKey(attributes)}`,
  createTemplate({ resource, scope, attributes, startTime, unit, target }, rows, metricOf) {
    const metrics = rows.map(metricOf);
    const templates = metrics.map((metric) => `${textJson(`metrics.${metric.name}`)}:"${dynamicTemplate(metric)}"`);
    const before =
      (startTime === 0n ? '' : `"start_timestamp":"${timeText(startTime)}",`) +
      textMember('unit', unit) +
      dataStreamMember(target) +
      attributesMember(attributes, true) +
      resourceMember(resource, true) +
      scopeMember(scope, true);
    const names = metrics.map(({ name }) => name);
    return {
      action: `{"create":{"_index":${textJson(target.index)},"dynamic_templates":{${templates.join()}}}}`,
      pieces: [
        '{"@timestamp":',
        ...names.map((name, index) => `${index === 0 ? `,${before}"metrics":{` : ','}${textJson(name)}:`),
        `},"_metric_names_hash":"${namesHash(names)}"}`,
      ],
      holes: [TIME, ...rows],
    };
  },
};

/**
 * A dimension that tells documents with different metrics apart, for Elasticsearch would take those with the same
 * attributes and time for one (elasticsearch#99123). Any text will do that is the same for the same names.
 */
function namesHash(names: readonly string[]): string {
  return sha1(Buffer.from(JSON.stringify(names.toSorted())))
    .toString('hex')
    .slice(0, 16);
}
