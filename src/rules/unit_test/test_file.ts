/** Reads files of `promtool test rules` (cmd/promtool/unittest.go of Prometheus 3.5), and says all that is wrong at once. */
import { suggestion } from '../../config/suggest.ts';
import { formatPath, isNull, type MapNode, type Node, type Path, type ScalarNode } from '../../config/tree.ts';
import { parseYaml } from '../../config/yaml.ts';
import type { ConfigProblem, Place } from '../../errors.ts';
import { parsePrometheusDuration } from '../duration.ts';

export interface UnitTestFile {
  /** As written: relative to the file, and perhaps patterns. */
  readonly rule_files: readonly string[];
  readonly interval_ms: number;
  readonly groupOrder: readonly string[];
  /** One unit in the last place is no difference. */
  readonly isFuzzy: boolean;
  readonly tests: readonly UnitTest[];
}

export interface UnitTest {
  /** '' where it has none. */
  readonly name: string;
  /** Between two values of `series`. */
  readonly interval_ms: number;
  readonly series: readonly InputSeries[];
  readonly alertTests: readonly AlertTest[];
  readonly queryTests: readonly QueryTest[];
  readonly externalLabels: ReadonlyMap<string, string>;
  readonly externalURL: string;
  readonly place: Place;
}

export interface InputSeries {
  /** Series and values, in one line. */
  readonly text: string;
  readonly place: Place;
}

export interface AlertTest {
  readonly time_ms: number;
  /** '' where it is missing, which costs its test. */
  readonly alertname: string;
  readonly expected: readonly ExpectedAlert[];
  readonly place: Place;
}

export interface ExpectedAlert {
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface QueryTest {
  readonly time_ms: number;
  readonly expr: string;
  readonly expected: readonly ExpectedSample[];
  readonly place: Place;
}

export interface ExpectedSample {
  readonly labels: string;
  readonly value: number;
  /** In the notation of tests; '' for a number. */
  readonly histogram: string;
}

const KEYS = {
  file: ['rule_files', 'evaluation_interval', 'group_eval_order', 'tests', 'fuzzy_compare'],
  test: ['interval', 'input_series', 'alert_rule_test', 'promql_expr_test', 'external_labels', 'external_url', 'name'],
  series: ['series', 'values'],
  alert: ['eval_time', 'alertname', 'exp_alerts'],
  expected: ['exp_labels', 'exp_annotations'],
  query: ['expr', 'eval_time', 'exp_samples'],
  sample: ['labels', 'value', 'histogram'],
};

/** Never throws: what is wrong is in `problems`. */
export function parseUnitTests(
  text: string,
  path: string,
): { readonly file: UnitTestFile; readonly problems: readonly ConfigProblem[] } {
  const { root, problems } = parseYaml(text, path, { hasOnlyText: true });
  const reader = new Reader([...problems]);
  const file = reader.file(root ?? { kind: 'map', entries: new Map(), origin: { file: path, line: 1, column: 1 } });
  return { file, problems: reader.problems };
}

class Reader {
  readonly problems: ConfigProblem[];

  constructor(problems: ConfigProblem[]) {
    this.problems = problems;
  }

  file(root: Node): UnitTestFile {
    const map = this.#map(root, [], KEYS.file, 'the file');
    const interval_ms = this.#duration(map, 'evaluation_interval', []) || 60_000;
    const groupOrder = this.#texts(map, 'group_eval_order', []);
    const twice = groupOrder.find((name, index) => groupOrder.indexOf(name) < index);
    if (twice !== undefined) {
      const place = map?.entries.get('group_eval_order')?.value.origin;
      this.#fault('"group_eval_order"', `group "${twice}" is there twice`, ['group_eval_order'], place);
    }
    return {
      rule_files: this.#texts(map, 'rule_files', []),
      interval_ms,
      groupOrder,
      isFuzzy: this.#truth(map, 'fuzzy_compare', []),
      tests: this.#maps(map, 'tests', [], KEYS.test, 'a test', (test, at) => this.#test(test, at, interval_ms)),
    };
  }

  #test(map: MapNode, path: Path, interval_ms: number): UnitTest {
    const each = <Value>(
      key: string,
      keys: readonly string[],
      what: string,
      read: (node: MapNode, at: Path) => Value,
    ): Value[] => this.#maps(map, key, path, keys, what, read);
    return {
      name: this.#text(map, 'name', path),
      interval_ms: this.#duration(map, 'interval', path) || interval_ms,
      series: each('input_series', KEYS.series, 'a series', (node, at) => ({
        text: `${this.#text(node, 'series', at)} ${this.#text(node, 'values', at)}`,
        place: placeOf(node, 'values'),
      })),
      alertTests: each('alert_rule_test', KEYS.alert, 'a test of alerts', (node, at) => this.#alertTest(node, at)),
      queryTests: each('promql_expr_test', KEYS.query, 'a test of an expression', (node, at) => ({
        time_ms: this.#duration(node, 'eval_time', at),
        expr: this.#text(node, 'expr', at),
        expected: this.#maps(node, 'exp_samples', at, KEYS.sample, 'a sample', (sample, below) => ({
          labels: this.#text(sample, 'labels', below),
          value: this.#number(sample, 'value', below),
          histogram: this.#text(sample, 'histogram', below),
        })),
        place: placeOf(node, 'expr'),
      })),
      externalLabels: this.#labels(map, 'external_labels', path),
      externalURL: this.#text(map, 'external_url', path),
      place: map.origin,
    };
  }

  #alertTest(map: MapNode, path: Path): AlertTest {
    const alertname = this.#text(map, 'alertname', path);
    const time_ms = this.#duration(map, 'eval_time', path);
    const expected = this.#maps(map, 'exp_alerts', path, KEYS.expected, 'an alert', (node, at) => ({
      labels: new Map([...this.#labels(node, 'exp_labels', at), ['alertname', alertname] as const]),
      annotations: this.#labels(node, 'exp_annotations', at),
    }));
    return { time_ms, alertname, expected, place: placeOf(map, 'alertname') };
  }

  #map(node: Node, path: Path, known: readonly string[], what: string): MapNode | undefined {
    if (node.kind !== 'map') {
      if (!isNull(node)) this.#fault(what, `it takes a map with ${known.join(', ')}`, path, node.origin);
      return undefined;
    }
    for (const [key, { key: place }] of node.entries) {
      if (known.includes(key)) continue;
      const hint = suggestion(key, known);
      this.#fault(`key "${key}" in ${what}`, 'there is no such key', [...path, key], place, hint);
    }
    return node;
  }

  #maps<Value>(
    map: MapNode | undefined,
    key: string,
    path: Path,
    known: readonly string[],
    what: string,
    read: (node: MapNode, path: Path) => Value,
  ): Value[] {
    return this.#items(map, key, path).flatMap((node, index) => {
      const at = [...path, key, index];
      const item = this.#map(node, at, known, what);
      // An item without anything is one all the same.
      if (item === undefined && !isNull(node)) return [];
      return [read(item ?? { kind: 'map', entries: new Map(), origin: node.origin }, at)];
    });
  }

  #items(map: MapNode | undefined, key: string, path: Path): readonly Node[] {
    const value = map?.entries.get(key)?.value;
    if (value === undefined || isNull(value)) return [];
    if (value.kind === 'list') return value.items;
    this.#fault(`"${key}"`, 'it takes a list', [...path, key], value.origin);
    return [];
  }

  #texts(map: MapNode | undefined, key: string, path: Path): string[] {
    return this.#items(map, key, path).flatMap((node, index) => {
      const text = textOf(node);
      if (text === undefined) this.#fault(`"${key}"`, 'it takes texts', [...path, key, index], node.origin);
      return text ?? [];
    });
  }

  #labels(map: MapNode, key: string, path: Path): Map<string, string> {
    const value = map.entries.get(key)?.value;
    const labels = new Map<string, string>();
    if (value === undefined || isNull(value)) return labels;
    if (value.kind !== 'map') {
      this.#fault(`"${key}"`, 'it takes a map of texts', [...path, key], value.origin);
      return labels;
    }
    for (const [name, { value: node }] of value.entries) {
      const text = textOf(node);
      if (text === undefined) this.#fault(`"${name}"`, 'it takes a text', [...path, key, name], node.origin);
      else labels.set(name, text);
    }
    return labels;
  }

  #scalar(map: MapNode | undefined, key: string, path: Path, what: string): ScalarNode | undefined {
    const value = map?.entries.get(key)?.value;
    if (value === undefined || isNull(value)) return undefined;
    if (value.kind === 'scalar') return value;
    this.#fault(`"${key}"`, `it takes ${what}`, [...path, key], value.origin);
    return undefined;
  }

  #text(map: MapNode, key: string, path: Path): string {
    const node = this.#scalar(map, key, path, 'a text');
    return node === undefined ? '' : textOf(node)!;
  }

  #number(map: MapNode, key: string, path: Path): number {
    const node = this.#scalar(map, key, path, 'a number');
    if (node === undefined) return 0;
    if (typeof node.value === 'number') return node.value;
    this.#fault(`"${key}"`, `"${node.source}" is no number in YAML`, [...path, key], node.origin, yamlNumber(node));
    return 0;
  }

  #truth(map: MapNode | undefined, key: string, path: Path): boolean {
    const node = this.#scalar(map, key, path, 'true or false');
    if (node === undefined) return false;
    // Go's YAML is of version 1.1.
    if (/^(?:y|yes|true|on)$/i.test(node.source)) return true;
    if (/^(?:n|no|false|off)$/i.test(node.source)) return false;
    this.#fault(`"${key}"`, 'it takes true or false', [...path, key], node.origin);
    return false;
  }

  #duration(map: MapNode | undefined, key: string, path: Path): number {
    const node = this.#scalar(map, key, path, 'a duration');
    if (node === undefined) return 0;
    const duration_ms = parsePrometheusDuration(textOf(node)!);
    if (duration_ms !== undefined) return duration_ms;
    this.#fault(`"${key}"`, `"${node.source}" is no duration such as 5m or 1h30m`, [...path, key], node.origin);
    return 0;
  }

  #fault(object: string, found: string, path: Path, place: Place | undefined, hint?: string): void {
    this.problems.push({ message: `Cannot use ${object}: ${found}`, path: formatPath(path), place, hint });
  }
}

function yamlNumber({ source }: ScalarNode): string | undefined {
  if (/^nan$/i.test(source)) return 'write .nan';
  return /^[-+]?inf$/i.test(source) ? 'write .inf or -.inf' : undefined;
}

function placeOf(map: MapNode, key: string): Place {
  return map.entries.get(key)?.value.origin ?? map.origin;
}

/** Every scalar as it was written, as Go's YAML gives it for a text; nothing for what is none. */
function textOf(node: Node): string | undefined {
  if (node.kind !== 'scalar') return undefined;
  if (typeof node.value === 'string') return node.value;
  return node.value === null ? '' : node.source;
}
