/** Which index or data stream a document goes to (Elastic's data stream naming scheme: type-dataset-namespace). */
import type { Attributes } from '../../src/model/attributes.ts';
import { valueText } from '../../src/text/value_text.ts';

export interface Target {
  readonly index: string;
  /** Undefined for an index of the user's own. */
  readonly dataStream: { readonly type: string; readonly dataset: string; readonly namespace: string } | undefined;
}

export interface TargetOptions {
  /** With `{signal}` in it or not. */
  readonly index: string | undefined;
  readonly dataset: string;
  readonly namespace: string;
  readonly isRouted: boolean;
  /** Behind the dataset, so that the templates for OpenTelemetry's own fields apply: `.otel`. */
  readonly suffix: string;
}

/** Says where data with these attributes goes, those that belong to it most closely first. */
export type Route = (...attributes: readonly Attributes[]) => Target;

/** `type` is `logs` or `metrics`. */
export function createRoute(type: string, options: TargetOptions): Route {
  if (options.index !== undefined) {
    const target: Target = { index: options.index.replaceAll('{signal}', type), dataStream: undefined };
    return () => target;
  }
  const byName = new Map<string, Target>();
  const targetOf = (dataset: string, namespace: string): Target => {
    const key = JSON.stringify([dataset, namespace]);
    let target = byName.get(key);
    if (target === undefined) {
      const dataStream = {
        type,
        dataset: dataStreamPart(dataset, NOT_IN_DATASETS, options.suffix),
        namespace: dataStreamPart(namespace, NOT_IN_NAMESPACES, ''),
      };
      target = { index: `${type}-${dataStream.dataset}-${dataStream.namespace}`, dataStream };
      if (byName.size >= MAX_REMEMBERED) byName.clear();
      byName.set(key, target);
    }
    return target;
  };
  const byDefault = targetOf(options.dataset, options.namespace);
  if (!options.isRouted) return () => byDefault;
  return (...attributes) => {
    const dataset = firstOf(attributes, 'data_stream.dataset');
    const namespace = firstOf(attributes, 'data_stream.namespace');
    if (dataset === undefined && namespace === undefined) return byDefault;
    return targetOf(dataset ?? options.dataset, namespace ?? options.namespace);
  };
}

/** Names come from data: what is remembered is bounded. */
const MAX_REMEMBERED = 1000;

function firstOf(attributes: readonly Attributes[], key: string): string | undefined {
  for (const each of attributes) {
    const text = Object.hasOwn(each, key) ? valueText(each[key]) : '';
    if (text !== '') return text;
  }
  return undefined;
}

// ECS, "Data Stream Fields": restrictions of data_stream.dataset and data_stream.namespace.
// eslint-disable-next-line no-control-regex
const NOT_IN_DATASETS = /[-\\/*?"<>| ,#:\u0000-\u001f]/g;
// eslint-disable-next-line no-control-regex
const NOT_IN_NAMESPACES = /[\\/*?"<>| ,#:\u0000-\u001f]/g;
const MAX_PART_BYTES = 100;

/** In lower case, at most 100 bytes, with `_` for what may not be in it. */
export function dataStreamPart(text: string, forbidden: RegExp, suffix: string): string {
  const clean = text.toWellFormed().toLowerCase().replace(forbidden, '_');
  let kept = '';
  let bytes = Buffer.byteLength(suffix);
  for (const character of clean) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_PART_BYTES) break;
    kept += character;
  }
  return `${kept}${suffix}`;
}

/** Elasticsearch, "Create an index": what an index may be called. Says what is wrong with a name, or nothing. */
export function indexProblem(name: string): string | undefined {
  if (name !== name.toLowerCase()) return 'it has capitals';
  if (/^[-_+]|^\.{1,2}$/.test(name)) return 'it begins with "-", "_" or "+", or is "." or ".."';
  const character = /[\\/*?"<>| ,#:]/.exec(name)?.[0];
  if (character !== undefined) return `it has ${JSON.stringify(character)} in it`;
  return Buffer.byteLength(name) > 255 ? 'it is longer than 255 bytes' : undefined;
}
