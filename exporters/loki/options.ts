/** Options of Loki's own push protocol; its OTLP endpoint decides about labels and limits itself. */
import * as v from 'valibot';
import { option, size } from '../../src/config/options.ts';

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));

/**
 * What Loki's OTLP endpoint makes labels of, without those that make many short streams (pods, replica sets,
 * instances), and with the host's name, which it leaves out.
 */
const DEFAULT_LABELS = [
  'host.name',
  'service.name',
  'service.namespace',
  'deployment.environment.name',
  'deployment.environment',
  'cloud.region',
  'cloud.availability_zone',
  'container.name',
  'k8s.cluster.name',
  'k8s.namespace.name',
  'k8s.container.name',
  'k8s.deployment.name',
  'k8s.statefulset.name',
  'k8s.daemonset.name',
  'k8s.cronjob.name',
  'k8s.job.name',
];

export const labelsSchema = v.strictObject({
  fixed: option(
    v.record(v.pipe(v.string(), v.regex(/^[a-zA-Z][a-zA-Z0-9_]*$/, 'a label name such as "job"')), v.string()),
    'Labels of every line, as job: agent.',
    {},
  ),
  resource: option(
    v.array(v.string()),
    'Attributes of the resource that become labels, those that matter most first.',
    DEFAULT_LABELS,
  ),
  record: option(v.array(v.string()), 'Attributes of the record that become labels: only such as have few values.', []),
  level: option(v.boolean(), 'Whether the level is a label too, and not only structured metadata.', false),
});

export const limitsSchema = v.strictObject({
  labels: option(count(1), 'max_label_names_per_series: further labels become structured metadata.', 15),
  label_value_bytes: option(
    count(1),
    'max_label_value_length: an attribute with a longer value becomes structured metadata.',
    2048,
  ),
  line_bytes: option(size(), 'max_line_size: longer lines are cut, or dropped by long_lines.', '256KiB'),
  metadata_bytes: option(
    size(),
    'max_structured_metadata_size: attributes that would be beyond it are left out and counted in dropped_attributes_count.',
    '64KiB',
  ),
  metadata_entries: option(count(0), 'max_structured_metadata_entries_count: likewise.', 128),
});

export type LabelOptions = v.InferOutput<typeof labelsSchema> | typeof GOMON;

/** The labels and lines of Gomon (docs/exporters/loki.md), for dashboards that were made for it. */
export const GOMON = 'gomon';
export type Limits = v.InferOutput<typeof limitsSchema>;

/** What becomes of a record. */
export interface PushOptions {
  readonly labels: LabelOptions;
  readonly limits: Limits;
  readonly line: 'body' | 'json' | 'logfmt';
  readonly long_lines: 'truncate' | 'drop';
}
