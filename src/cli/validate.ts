/** `sonde validate`: schema, graph, environment. */
import type { LoadedConfig } from '../config/load.ts';
import type { Catalog } from '../config/registry.ts';
import { formatPlace, formatProblems } from '../config/frames.ts';
import { messageOf, type ConfigProblem } from '../errors.ts';
import { buildGraph } from '../graph.ts';
import { createHost } from '../procfs/host.ts';
import { createLog } from '../telemetry/log.ts';
import { checkEnvironment } from './environment.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { Selection } from './command_options.ts';
import { count, loadSelection, problemsOf } from './selection.ts';
import { renderTable } from './table.ts';
import { painter, type Terminal } from './terminal.ts';
import { trialServices } from './trial.ts';

interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
  readonly env: NodeJS.ProcessEnv;
}

interface Pass {
  readonly name: 'schema' | 'graph' | 'environment';
  /** Undefined if it was not made. */
  readonly problems: readonly ConfigProblem[] | undefined;
  /** What was looked at, or why it was not. */
  readonly about: string;
}

interface Validation {
  readonly files: readonly string[];
  readonly passes: readonly Pass[];
  readonly warnings: readonly ConfigProblem[];
}

export async function validate(
  options: Selection & { readonly environment: boolean; readonly json?: true },
  { terminal, env, catalog }: Surroundings,
): Promise<number> {
  const validation = await runPasses(options, env, catalog);
  const isValid = validation.passes.every(({ problems = [] }) => problems.length === 0);
  if (options.json === true) terminal.print(`${JSON.stringify(forMachines(validation, isValid), null, 2)}\n`);
  else report(validation, terminal);
  return isValid ? EXIT_CODES.ok : EXIT_CODES.config;
}

async function runPasses(
  options: Selection & { readonly environment: boolean },
  env: NodeJS.ProcessEnv,
  catalog: Catalog,
): Promise<Validation> {
  let loaded: LoadedConfig;
  try {
    loaded = await loadSelection(options, env, catalog);
  } catch (error) {
    return afterLoadProblems(problemsOf(error));
  }
  const schema: Pass = { name: 'schema', problems: [], about: loaded.files.join(', ') };
  const graphProblems = checkGraph(loaded);
  const graph: Pass = { name: 'graph', problems: graphProblems, about: describeGraph(loaded) };
  const { files } = loaded;
  if (graphProblems.length > 0 || !options.environment) {
    const why = options.environment ? 'after the graph is right' : '--no-environment';
    const pass: Pass = { name: 'environment', problems: undefined, about: why };
    return { files, passes: [schema, graph, pass], warnings: loaded.warnings };
  }
  const { problems, warnings } = await checkEnvironment(loaded);
  const environment: Pass = { name: 'environment', problems, about: 'files, ports, permissions' };
  return { files, passes: [schema, graph, environment], warnings: [...loaded.warnings, ...warnings] };
}

/** The loader finds both kinds at once; the graph is what stands under `service`. */
function afterLoadProblems(problems: readonly ConfigProblem[]): Validation {
  const isOfGraph = ({ path }: ConfigProblem): boolean => path.startsWith('service.');
  const [ofGraph, ofSchema] = [problems.filter(isOfGraph), problems.filter((problem) => !isOfGraph(problem))];
  const isKnown = ofSchema.length === 0 || ofGraph.length > 0;
  return {
    files: [],
    passes: [
      { name: 'schema', problems: ofSchema, about: '' },
      { name: 'graph', problems: isKnown ? ofGraph : undefined, about: 'after the schema is right' },
      { name: 'environment', problems: undefined, about: 'after the rest is right' },
    ],
    warnings: [],
  };
}

/** Makes every component, without starting it. */
function checkGraph(loaded: LoadedConfig): ConfigProblem[] {
  // Whether the machine is there is for the third pass.
  const host = { ...createHost({ rootPath: loaded.agent.root_path }), bootTime: () => 0n };
  const log = createLog({ level: 'error', format: 'text', hasColor: false, write: () => {} });
  try {
    const { receivers, processors, exporters } = loaded;
    buildGraph(
      {
        receivers,
        processors,
        exporters,
        pipelines: [...loaded.pipelines.values()],
        collectionInterval_ms: loaded.agent.collection_interval,
      },
      trialServices(host, log),
    );
    return [];
  } catch (error) {
    return [{ message: messageOf(error), path: 'service.pipelines' }];
  } finally {
    host.close();
  }
}

function describeGraph({ receivers, processors, exporters, pipelines }: LoadedConfig): string {
  return [
    count(pipelines.size, 'pipeline'),
    count(receivers.size, 'receiver'),
    count(processors.size, 'processor'),
    count(exporters.size, 'exporter'),
  ].join(', ');
}

function report({ passes, warnings }: Validation, terminal: Terminal): void {
  const paint = painter(terminal);
  const rows = passes.map(({ name, problems, about }) => {
    if (problems === undefined) return [name, paint('dim', 'not checked'), paint('dim', about)];
    if (problems.length === 0) return [name, paint('green', 'ok'), about];
    return [name, paint('red', count(problems.length, 'problem')), ''];
  });
  terminal.print(renderTable(rows));
  const color = terminal.hasErrorColor;
  for (const { name, problems = [] } of passes) {
    if (problems.length > 0) terminal.complain(`\n${name}:\n${formatProblems(problems, { color })}`);
  }
  if (warnings.length > 0) terminal.complain(`\n${formatProblems(warnings, { color, severity: 'warning' })}`);
}

function forMachines({ files, passes, warnings }: Validation, isValid: boolean) {
  const plain = ({ message, path, place, hint }: ConfigProblem) => ({
    message,
    path,
    ...(place === undefined
      ? {}
      : { place: formatPlace(place), file: place.file, line: place.line, column: place.column }),
    ...(hint === undefined ? {} : { hint }),
  });
  return {
    valid: isValid,
    files,
    passes: Object.fromEntries(
      passes.map(({ name, problems }) => [
        name,
        problems === undefined ? 'not checked' : problems.length === 0 ? 'ok' : 'problems',
      ]),
    ),
    problems: passes.flatMap(({ name, problems = [] }) =>
      problems.map((problem) => ({ pass: name, ...plain(problem) })),
    ),
    warnings: warnings.map(plain),
  };
}
