/** `sonde components` and `sonde describe`. */
import { suggestion } from '../config/suggest.ts';
import { loadRegistry, SECTIONS, type Catalog, type Definition, type Registry } from '../config/registry.ts';
import { describeAll, describeComponent, findComponents, type ComponentDoc } from './component_doc.ts';
import type { OptionDoc } from '../config/describe.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { renderTable } from './table.ts';
import { painter, type Paint, type Terminal } from './terminal.ts';

interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
}

export async function listComponents(
  { json }: { readonly json?: true },
  { terminal, catalog }: Surroundings,
): Promise<number> {
  const docs = describeAll(await loadRegistry(catalog));
  if (json === true) {
    terminal.print(toJson(docs.map(({ kind, type, about, signals }) => ({ kind, type, about, signals }))));
    return EXIT_CODES.ok;
  }
  const paint = painter(terminal);
  const blocks = SECTIONS.map((section) => {
    const rows = docs
      .filter(({ kind }) => `${kind}s` === section)
      .map(({ type, signals, about }) => [paint('cyan', type), signals.join(' '), firstSentence(about)]);
    return `${paint('bold', section)}\n${renderTable(rows, { indent: 2, columns: terminal.columns })}`;
  });
  terminal.print(`${blocks.join('\n')}\nMore about one: sonde describe TYPE\n`);
  return EXIT_CODES.ok;
}

function firstSentence(text: string): string {
  return /^.*?\.(?= [A-Z]|$)/.exec(text)?.[0] ?? text;
}

export async function describe(
  name: string,
  { json }: { readonly json?: true },
  { terminal, catalog }: Surroundings,
): Promise<number> {
  const registry = await loadRegistry(catalog);
  const found = findComponents(name, registry);
  const definitions = found.length > 0 ? found : receiversOfMetric(name, registry);
  if (definitions.length === 0) {
    terminal.complain(`Cannot describe ${JSON.stringify(name)}: there is no such component or metric\n`);
    const hint = suggestion(name, namesIn(registry));
    // All metrics there are would be no hint.
    const isGuess = hint?.startsWith('did you mean') === true;
    terminal.complain(`  hint: ${isGuess ? hint : 'see "sonde components"'}\n`);
    return EXIT_CODES.usage;
  }
  const docs = definitions.map(describeComponent);
  if (json === true) terminal.print(toJson(docs.map(forMachines)));
  else terminal.print(docs.map((doc) => renderDoc(doc, terminal)).join('\n'));
  return EXIT_CODES.ok;
}

function receiversOfMetric(name: string, registry: Registry): Definition[] {
  return registry.receivers.filter(({ metrics }) => Object.values(metrics).some((metric) => metric.name === name));
}

function namesIn(registry: Registry): string[] {
  const types = SECTIONS.flatMap((section) => registry[section].map(({ type }) => type));
  const metrics = registry.receivers.flatMap((receiver) => Object.values(receiver.metrics).map(({ name }) => name));
  return [...new Set([...types, ...metrics])];
}

function renderDoc(doc: ComponentDoc, terminal: Terminal): string {
  const paint = painter(terminal);
  const { columns } = terminal;
  const blocks = [
    `${paint('bold', `${doc.kind} ${doc.type}`)}  ${paint('dim', doc.signals.join(', '))}\n${doc.about}\n`,
  ];
  const add = (title: string, rows: readonly string[][]): void => {
    if (rows.length > 0) blocks.push(`${paint('bold', title)}\n${renderTable(rows, { indent: 2, columns })}`);
  };
  add(
    'Options',
    doc.options.map((option) => optionRow(option, paint)),
  );
  add(
    `Options of every ${doc.kind}`,
    doc.commonOptions.map((option) => optionRow(option, paint)),
  );
  add('Metrics', metricRows(doc, paint));
  add(
    'Permissions',
    doc.permissions.map(({ needs, without }) => [paint('cyan', needs), `without it: ${without}`]),
  );
  add(
    'Reads',
    doc.sources.map((source) => [source]),
  );
  return blocks.join('\n');
}

function optionRow({ path, type, byDefault, isRequired, about }: OptionDoc, paint: Paint): string[] {
  return [paint('cyan', path), paint('dim', type), isRequired ? 'must be given' : defaultText(byDefault), about];
}

/** The default as one would write it; '' where there is none to speak of. */
export function defaultText(value: unknown): string {
  if (value === undefined) return '';
  // `{}` for a section says nothing: what is in it has its own defaults.
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0)
    return '';
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
}

function metricRows({ metrics }: ComponentDoc, paint: Paint): string[][] {
  return metrics.map(({ name, instrument, unit, about, attributes, isOn, namedBy }) => {
    const notes = [
      ...(attributes.length > 0 ? [`by ${attributes.join(', ')}`] : []),
      ...(namedBy === 'OpenTelemetry' ? [] : [`name: ${namedBy}`]),
    ];
    const text = notes.length === 0 ? about : `${about} [${notes.join('; ')}]`;
    return [paint('cyan', name), paint('dim', instrument), paint('dim', unit), isOn ? 'on' : 'off', text];
  });
}

/** In the words that machines expect: `default`, `required`, snake case. */
function forMachines({ options, commonOptions, metrics, ...doc }: ComponentDoc) {
  const option = ({ byDefault, isRequired, isSecret, ...rest }: OptionDoc) => ({
    ...rest,
    ...(byDefault === undefined ? {} : { default: byDefault }),
    required: isRequired,
    secret: isSecret,
  });
  return {
    ...doc,
    options: options.map(option),
    common_options: commonOptions.map(option),
    metrics: metrics.map(({ isOn, namedBy, ...metric }) => ({ ...metric, enabled: isOn, named_by: namedBy })),
  };
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
