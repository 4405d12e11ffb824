/** What every component has to keep to, as functions from a definition to what is wrong with it. */
import { safeParse } from 'valibot';
import type {
  AnyExporterDefinition,
  AnyProcessorDefinition,
  AnyReceiverDefinition,
  MetricDefinition,
} from '../../src/component.ts';
import { describeSchema, undocumentedOptions } from '../../src/config/describe.ts';

export type AnyDefinition = AnyReceiverDefinition | AnyProcessorDefinition | AnyExporterDefinition;

/** Of a folder of components: its list against its files, and the files against their tests. */
export function checkList(folder: string, listed: readonly string[], files: readonly string[]): readonly string[] {
  const problems: string[] = [];
  listed.forEach((type, index) => {
    if (index > 0 && type <= listed[index - 1]) problems.push(`${folder}/index.ts lists ${type} out of order`);
    const isComponent = files.includes(`${folder}/${type}.ts`) || files.includes(`${folder}/${type}/index.ts`);
    if (!isComponent) problems.push(`${folder}/index.ts lists ${type}, which is in no file of that name`);
    const tests = `test/${folder}/${type}`;
    const isTested = files.some(
      (file) => file === `${tests}.test.ts` || (file.startsWith(`${tests}/`) && file.endsWith('.test.ts')),
    );
    if (!isTested) problems.push(`${folder}/${type} has no test in test/${folder}`);
  });
  for (const type of typesIn(folder, files)) {
    if (!listed.includes(type)) problems.push(`${folder}/${type} is not in ${folder}/index.ts`);
  }
  return problems;
}

/** Names of the files and folders that are components. */
function typesIn(folder: string, files: readonly string[]): Set<string> {
  const types = new Set<string>();
  for (const file of files) {
    if (!file.startsWith(`${folder}/`) || file === `${folder}/index.ts`) continue;
    types.add(
      file
        .slice(folder.length + 1)
        .split('/')[0]
        .replace(/\.ts$/, ''),
    );
  }
  return types;
}

/** Of what a component says of itself and its options. `minimal` are the options that must be given. */
export function checkDefinition(definition: AnyDefinition, minimal: object): readonly string[] {
  const { kind, type, about, config } = definition;
  const problems: string[] = [];
  if (!/^[a-z][a-z0-9_]*$/.test(type)) problems.push('has a type that is not in snake_case');
  problems.push(...checkSentence('about', about));
  if (definition.signals.length === 0) problems.push('takes no signal');
  for (const path of undocumentedOptions(definition)) problems.push(`has an option without a description: ${path}`);
  const docs = describeSchema(config);
  for (const { path, about: option } of docs) if (option !== '') problems.push(...checkSentence(path, option, false));
  for (const { path } of docs) {
    const isSnakeCase = path.split('.').every((part) => /^(<name>|[a-z][a-z0-9_]*)(\[\])*$/.test(part));
    if (!isSnakeCase) problems.push(`has an option that is not in snake_case: ${path}`);
  }
  if (!safeParse(config, minimal).success) problems.push('refuses its own defaults');
  if (safeParse(config, { ...minimal, no_such_option: 1 }).success) problems.push('accepts an option that it has not');
  if (kind === 'receiver') problems.push(...checkMetrics(definition.metrics));
  for (const { needs, without } of definition.permissions) {
    if (needs === '' || without === '') problems.push('has a permission that says nothing');
  }
  return problems.map((problem) => `${kind} ${type} ${problem}`);
}

const NAME = /^[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)+$/;
/** UCUM: units of semantic conventions, and annotations in the singular. */
const UNIT = /^(1|s|By|By\/s|Hz|bit|Cel|\{[a-z_]+\})$/;

export function checkMetrics(metrics: Readonly<Record<string, MetricDefinition>>): readonly string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const { name, unit, about, attributes, instrument, value } of Object.values(metrics)) {
    if (!NAME.test(name)) problems.push(`has a metric whose name is not in dotted lower case: ${name}`);
    if (names.has(name)) problems.push(`has two metrics of one name: ${name}`);
    names.add(name);
    if (!UNIT.test(unit)) problems.push(`has a metric whose unit is not known: ${name} in ${unit}`);
    if (instrument === 'counter' && unit === '1') problems.push(`has a counter of no unit: ${name}`);
    const isShare = unit === '1' && instrument === 'gauge' && value === 'double';
    if (name.endsWith('utilization') && !isShare) problems.push(`has a share that is no double gauge of 1: ${name}`);
    problems.push(...checkSentence(name, about));
    if (new Set(attributes).size !== attributes.length) problems.push(`has a metric with an attribute twice: ${name}`);
    for (const key of attributes) {
      if (!NAME.test(key)) problems.push(`has an attribute that is not in dotted lower case: ${key} of ${name}`);
    }
  }
  // A name that another continues could not be both a value and a namespace (semantic conventions, naming).
  for (const name of names) {
    const longer = [...names].find((other) => other.startsWith(`${name}.`));
    if (longer !== undefined) problems.push(`has a metric that is the namespace of another: ${name} of ${longer}`);
  }
  return problems;
}

/** An option may begin with what one writes for it. */
function checkSentence(of: string, text: string, isCapital = true): string[] {
  if (!isCapital && text.trim().endsWith('.')) return [];
  return /^[A-Z0-9“"][\s\S]*\.$/.test(text.trim())
    ? []
    : [`says of ${of} what is no sentence: ${JSON.stringify(text)}`];
}
