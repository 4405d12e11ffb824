/** `sonde check`: runs every receiver on this machine and says what comes of it. */
import { existsSync } from 'node:fs';
import { loadAgent } from '../config/agent_settings.ts';
import { loadRegistry, type Catalog } from '../config/registry.ts';
import { suggestion } from '../config/suggest.ts';
import type { ConfigProblem } from '../errors.ts';
import { createHost } from '../procfs/host.ts';
import { renderChecks, type Measured } from './check_text.ts';
import { rootProblem } from './environment.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { missingRights, rightsOfProcess, type MissingRight } from './rights.ts';
import type { Terminal } from './terminal.ts';
import { tryReceiver, type Trial } from './try_receiver.ts';

export interface CheckOptions {
  /** Types of receivers; all if empty. */
  readonly names: readonly string[];
  readonly rootPath?: string;
  readonly values?: true;
  readonly json?: true;
}

interface Surroundings {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly catalog: Catalog;
}

/** What a receiver does on this machine. */
export interface Check extends Trial {
  readonly type: string;
  /** Rights that it asks for and does not have. */
  readonly missing: readonly MissingRight[];
}

export async function check(options: CheckOptions, { terminal, env, catalog }: Surroundings): Promise<number> {
  const { receivers } = await loadRegistry(catalog, (section) => section === 'receivers');
  const unknown = options.names.find((name) => !receivers.some(({ type }) => type === name));
  if (unknown !== undefined) {
    terminal.complain(`Cannot check ${JSON.stringify(unknown)}: there is no such receiver\n`);
    terminal.complain(
      `  hint: ${
        suggestion(
          unknown,
          receivers.map(({ type }) => type),
        ) ?? 'there are none'
      }\n`,
    );
    return EXIT_CODES.usage;
  }
  const problems: ConfigProblem[] = [];
  const args = options.rootPath === undefined ? [] : ['--root-path', options.rootPath];
  const settings = loadAgent({ node: undefined, env, args, problems })?.settings;
  if (settings === undefined) {
    for (const { message } of problems) terminal.complain(`${message}\n`);
    return EXIT_CODES.usage;
  }

  const problem = rootProblem(settings.root_path);
  if (problem !== undefined) {
    terminal.complain(`${problem.message}\n  hint: ${problem.hint}\n`);
    return EXIT_CODES.found;
  }
  const host = createHost({ rootPath: settings.root_path });
  const rights = rightsOfProcess(host);
  const checks: Check[] = [];
  for (const definition of receivers) {
    if (options.names.length > 0 && !options.names.includes(definition.type)) continue;
    const trial = await tryReceiver(definition, host);
    checks.push({ type: definition.type, ...trial, missing: missingRights(definition.permissions, rights) });
  }
  const measured: Measured = {
    platform: `${process.platform}/${process.arch}`,
    uid: process.getuid?.(),
    rootPath: host.rootPath,
    isContainer: isContainer(),
  };
  host.close();
  if (options.json === true) terminal.print(`${JSON.stringify(forMachines(measured, checks, options), null, 2)}\n`);
  else terminal.print(renderChecks(measured, checks, { ...options, terminal }));
  return checks.some(({ series }) => series > 0) ? EXIT_CODES.ok : EXIT_CODES.found;
}

/** Docker and Podman leave a mark; Kubernetes sets a variable. */
function isContainer(): boolean {
  return (
    existsSync('/.dockerenv') ||
    existsSync('/run/.containerenv') ||
    process.env['KUBERNETES_SERVICE_HOST'] !== undefined
  );
}

function forMachines(
  { isContainer, rootPath, ...measured }: Measured,
  checks: readonly Check[],
  options: CheckOptions,
) {
  return {
    ...measured,
    root_path: rootPath,
    container: isContainer,
    receivers: checks.map(({ values, ...check }) => (options.values === true ? { ...check, values } : check)),
  };
}
