/** The labels of a series as the text between the braces of its line. */
import { isLegacyLabelName, isLegacyMetricName } from '../../src/prometheus/names.ts';

/**
 * `a="b",c="d"`, sorted by name, so equal sets of labels are equal texts; '' for none. An empty label is the same as
 * none, so it is none: two texts of one set of labels would be a duplicate.
 */
export function labelsText(labels: ReadonlyMap<string, string>): string {
  const texts: string[] = [];
  for (const label of [...labels.keys()].sort()) {
    const value = labels.get(label)!;
    if (value !== '') texts.push(labelText(label, value));
  }
  return texts.join();
}

/** A line's name and labels: `name{a="b"}`, or `{"na.me","a.b"="c"}` where the name needs quotes. */
export function sampleText(name: string, labels: string): string {
  if (isLegacyMetricName(name)) return labels === '' ? name : `${name}{${labels}}`;
  const quoted = `"${escapeText(name)}"`;
  return labels === '' ? `{${quoted}}` : `{${quoted},${labels}}`;
}

/** One label, its name quoted if it must be. */
export function labelText(label: string, value: string): string {
  const name = isLegacyLabelName(label) ? label : `"${escapeText(label)}"`;
  return `${name}="${escapeText(value.toWellFormed())}"`;
}

/** Escapes what must not stand between double quotes. */
export function escapeText(text: string): string {
  if (!/[\\"\n]/.test(text)) return text;
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
