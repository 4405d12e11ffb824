/** Reads rule files as Prometheus reads them (model/rulefmt of Prometheus 3.5), and says all that is wrong at once. */
import { suggestion } from '../config/suggest.ts';
import { formatPath, type MapNode, type Node, type Path } from '../config/tree.ts';
import { parseYaml } from '../config/yaml.ts';
import { ConfigError, messageOf, type ConfigProblem, type Place } from '../errors.ts';
import { parsePrometheusDuration } from './duration.ts';
import { lintGroups } from './lint.ts';
import type { AlertingRule, RecordingRule, Rule, RuleFile, RuleGroup } from './rule.ts';

export interface RuleFileChecks {
  /** @throws what is wrong with a PromQL expression */
  readonly expression: (text: string) => void;
  /** @throws what is wrong with the template of a label or an annotation */
  readonly template: (text: string) => void;
}

export interface ParsedRuleFile {
  /** What is right of it: of use only where there are no problems. */
  readonly file: RuleFile;
  /** Why it cannot be used. */
  readonly problems: readonly ConfigProblem[];
  /** What is allowed, and probably not meant. */
  readonly lints: readonly ConfigProblem[];
}

const FILE_KEYS = ['groups'];
const GROUP_KEYS = ['name', 'interval', 'query_offset', 'limit', 'labels', 'rules'];
const RULE_KEYS = ['record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'];

/** Never throws: what is wrong is in `problems`. */
export function parseRuleFile(text: string, path: string, checks: RuleFileChecks): ParsedRuleFile {
  const { root, problems } = parseYaml(text, path, { hasOnlyText: true });
  const reader = new Reader(path, checks, [...problems]);
  const groups = root === undefined ? [] : reader.groups(root);
  const file: RuleFile = { path, groups };
  return { file, problems: reader.problems, lints: lintGroups(groups) };
}

/** @throws {ConfigError} with everything that is wrong */
export function readRules(text: string, path: string, checks: RuleFileChecks): RuleFile {
  const { file, problems } = parseRuleFile(text, path, checks);
  if (problems.length > 0) throw new ConfigError(problems);
  return file;
}

class Reader {
  readonly problems: ConfigProblem[];
  readonly #path: string;
  readonly #checks: RuleFileChecks;

  constructor(path: string, checks: RuleFileChecks, problems: ConfigProblem[]) {
    this.#path = path;
    this.#checks = checks;
    this.problems = problems;
  }

  groups(root: Node): RuleGroup[] {
    const top = this.#map(root, [], FILE_KEYS, 'the file');
    const groups: RuleGroup[] = [];
    const places = new Map<string, Place>();
    for (const [index, node] of this.#list(top, 'groups', []).entries()) {
      const group = this.#group(node, ['groups', index]);
      if (group === undefined) continue;
      const earlier = places.get(group.name);
      if (earlier !== undefined) {
        const found = 'the file has another group of this name';
        this.#fault(`group "${group.name}"`, found, ['groups', index, 'name'], node.origin, { other: earlier });
      }
      places.set(group.name, node.origin);
      groups.push(group);
    }
    return groups;
  }

  #group(node: Node, path: Path): RuleGroup | undefined {
    const map = this.#map(node, path, GROUP_KEYS, 'a group');
    if (map === undefined) return undefined;
    const name = this.#text(map, 'name', path) ?? '';
    if (name === '') this.#fault('a group', 'it has no name', [...path, 'name'], node.origin);
    const interval_ms = this.#duration(map, 'interval', path);
    const labels = this.#labels(map, 'labels', path, `group "${name}"`, false);
    const rules: Rule[] = [];
    for (const [index, each] of this.#list(map, 'rules', path).entries()) {
      const rule = this.#rule(each, [...path, 'rules', index], `rule ${index + 1} of group "${name}"`, labels);
      if (rule !== undefined) rules.push(rule);
    }
    return {
      name,
      file: this.#path,
      // Prometheus takes 0 for none.
      interval_ms: interval_ms === 0 ? undefined : interval_ms,
      limit: this.#limit(map, path),
      queryOffset_ms: this.#duration(map, 'query_offset', path),
      labels,
      rules,
      source: node.origin,
    };
  }

  #rule(node: Node, path: Path, where: string, groupLabels: ReadonlyMap<string, string>): Rule | undefined {
    const map = this.#map(node, path, RULE_KEYS, 'a rule');
    if (map === undefined) return undefined;
    const record = this.#text(map, 'record', path) ?? '';
    const alert = this.#text(map, 'alert', path) ?? '';
    const what = record === '' && alert === '' ? where : `${where}, "${alert === '' ? record : alert}"`;
    const fault = (found: string, key?: string): void =>
      this.#fault(what, found, key === undefined ? path : [...path, key], placeOf(map, key));
    if (record !== '' && alert !== '') fault('only one of "record" and "alert" may be set', 'record');
    if (record === '' && alert === '') fault('one of "record" and "alert" must be set');
    const expr = this.#expression(map, path, what);
    const isAlert = alert !== '';
    const own = this.#labels(map, 'labels', path, what, isAlert);
    const labels = new Map([...groupLabels, ...own]);
    const source = node.origin;
    const exprSource = map.entries.get('expr')?.value.origin;
    const for_ms = this.#duration(map, 'for', path) ?? 0;
    const keepFiringFor_ms = this.#duration(map, 'keep_firing_for', path) ?? 0;
    const annotations = this.#labels(map, 'annotations', path, what, isAlert);
    if (isAlert) {
      const rule: AlertingRule = {
        kind: 'alerting',
        name: alert,
        expr,
        for_ms,
        keepFiringFor_ms,
        labels,
        annotations,
        source,
        exprSource,
      };
      return rule;
    }
    if (annotations.size > 0) fault('a recording rule has no "annotations"', 'annotations');
    if (for_ms !== 0) fault('a recording rule has no "for"', 'for');
    if (keepFiringFor_ms !== 0) fault('a recording rule has no "keep_firing_for"', 'keep_firing_for');
    if (!record.isWellFormed()) fault('the name is no valid UTF-8', 'record');
    if (/[{}]/.test(record)) fault(`the name ${record} has braces: they belong into "expr"`, 'record');
    const rule: RecordingRule = { kind: 'recording', name: record, expr, labels, source, exprSource };
    return rule;
  }

  #expression(map: MapNode, path: Path, what: string): string {
    const expr = this.#text(map, 'expr', path) ?? '';
    try {
      if (expr === '') throw new SyntaxError('"expr" must be set');
      this.#checks.expression(expr);
    } catch (error) {
      const found = messageOf(error).replace(/^Cannot parse /, 'cannot parse ');
      this.#fault(what, found, [...path, 'expr'], placeOf(map, 'expr'));
    }
    return expr;
  }

  #labels(map: MapNode, key: string, path: Path, what: string, areTemplates: boolean): Map<string, string> {
    const labels = new Map<string, string>();
    const entry = map.entries.get(key);
    if (entry === undefined || isNull(entry.value)) return labels;
    const kind = key === 'annotations' ? 'annotation' : 'label';
    if (entry.value.kind !== 'map') {
      this.#fault(what, `"${key}" takes a map of texts`, [...path, key], entry.value.origin);
      return labels;
    }
    for (const [name, { key: place, value }] of entry.value.entries) {
      const at = [...path, key, name];
      if (name === '' || !name.isWellFormed() || (kind === 'label' && name === '__name__')) {
        this.#fault(what, `"${name}" is no name of ${kind === 'label' ? 'a label' : 'an annotation'}`, at, place);
        continue;
      }
      const text = textOf(value);
      if (text === undefined) {
        this.#fault(what, `${kind} "${name}" takes a text`, at, value.origin);
        continue;
      }
      labels.set(name, text);
      try {
        if (areTemplates) this.#checks.template(text);
      } catch (error) {
        this.#fault(what, `${kind} "${name}" is no template: ${messageOf(error)}`, at, value.origin);
      }
    }
    return labels;
  }

  #map(node: Node, path: Path, known: readonly string[], what: string): MapNode | undefined {
    if (node.kind !== 'map') {
      if (path.length === 0 && isNull(node)) return undefined;
      this.#fault(what, `it takes a map with ${known.join(', ')}`, path, node.origin);
      return undefined;
    }
    for (const [key, { key: place }] of node.entries) {
      if (known.includes(key)) continue;
      const hint = suggestion(key, known);
      this.#fault(`key "${key}" in ${what}`, 'there is no such key', [...path, key], place, { hint });
    }
    return node;
  }

  #list(map: MapNode | undefined, key: string, path: Path): readonly Node[] {
    const value = map?.entries.get(key)?.value;
    if (value === undefined || isNull(value)) return [];
    if (value.kind === 'list') return value.items;
    this.#fault(`"${key}"`, 'it takes a list', [...path, key], value.origin);
    return [];
  }

  #text(map: MapNode, key: string, path: Path): string | undefined {
    const value = map.entries.get(key)?.value;
    if (value === undefined) return undefined;
    const text = textOf(value);
    if (text === undefined) this.#fault(`"${key}"`, 'it takes a text', [...path, key], value.origin);
    return text;
  }

  #duration(map: MapNode, key: string, path: Path): number | undefined {
    const value = map.entries.get(key)?.value;
    if (value === undefined || isNull(value)) return undefined;
    const text = textOf(value);
    const duration_ms = text === undefined ? undefined : parsePrometheusDuration(text);
    if (duration_ms === undefined) {
      const found = `${text === undefined ? 'this' : `"${text}"`} is no duration such as 5m or 1h30m`;
      this.#fault(`"${key}"`, found, [...path, key], value.origin);
    }
    return duration_ms;
  }

  #limit(map: MapNode, path: Path): number {
    const value = map.entries.get('limit')?.value;
    if (value === undefined || isNull(value)) return 0;
    const limit = value.kind === 'scalar' ? value.value : undefined;
    if (typeof limit === 'number' && Number.isSafeInteger(limit)) return limit;
    this.#fault('"limit"', 'it takes a whole number', [...path, 'limit'], value.origin);
    return 0;
  }

  #fault(
    object: string,
    found: string,
    path: Path,
    place: Place | undefined,
    more: Pick<ConfigProblem, 'hint' | 'other'> = {},
  ): void {
    this.problems.push({ message: `Cannot use ${object}: ${found}`, path: formatPath(path), place, ...more });
  }
}

function placeOf(map: MapNode, key: string | undefined): Place {
  return (key === undefined ? undefined : map.entries.get(key)?.value.origin) ?? map.origin;
}

function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Every scalar as it was written, as Go's YAML gives it for a text; nothing for null. */
function textOf(node: Node): string | undefined {
  if (node.kind !== 'scalar') return undefined;
  if (typeof node.value === 'string') return node.value;
  return node.value === null ? '' : node.source;
}
