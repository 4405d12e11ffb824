import { attributesKey } from '../../src/model/attributes.ts';
import { textJson } from '../../src/text/value_json.ts';
import { resourceTree, setDataStream, setRecordAttributes } from './ecs_fields.ts';
import { TIME, type MetricMapping } from './metrics.ts';
import { renderTree, setLeaf } from './tree.ts';

/** Points in fields of the Elastic Common Schema: a metric is a field of its dotted name. */
export const ecsMetrics: MetricMapping = {
  joinsScopes: true,
  keyOf: (_, attributes) => attributesKey(attributes),
  createTemplate({ resource, scope, attributes, target }, rows, metricOf) {
    const tree = resourceTree(resource);
    setRecordAttributes(tree, scope.attributes);
    setRecordAttributes(tree, attributes);
    setDataStream(tree, target);
    for (const row of rows) setLeaf(tree, metricOf(row).name, row);
    setLeaf(tree, '@timestamp', TIME);
    const { pieces, rows: holes } = renderTree(tree);
    return { action: `{"create":{"_index":${textJson(target.index)}}}`, pieces, holes };
  },
};
