/**
 * The agent's own settings (`agent:`). They are flat, so convict holds them, with their environment variables and
 * arguments; each value is checked by the same valibot schemas as the options of components.
 */
import convict from 'convict';
import { isAbsolute } from 'node:path';
import * as v from 'valibot';
import type { ConfigProblem } from '../errors.ts';
import { duration, positiveDuration, size } from './options.ts';
import { describeAllowed, readShape, type ObjectShape, type Shape } from './shape.ts';
import { suggestion } from './suggest.ts';
import { formatPath, fromPlain, isNull, withValue, type MapNode, type Node, type Origin } from './tree.ts';
import { describeFound } from './words.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'auto' | 'text' | 'json' | 'logfmt';

/** Names as in the file; durations in milliseconds. */
export interface AgentSettings {
  readonly root_path: string;
  readonly collection_interval: number;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly shutdown_timeout: number;
  readonly startup_timeout: number;
  readonly instance_id: string | undefined;
  /** A share of one processor, and bytes. */
  readonly budget: { readonly cpu: number | undefined; readonly memory: number | undefined };
}

interface Setting {
  readonly doc: string;
  /** As users write it; null for none. */
  readonly default: string | null;
  readonly env: string;
  readonly arg: string;
  readonly schema: v.GenericSchema;
}

const PERCENTAGE = 'a percentage such as "5%"';

const absolutePath = v.pipe(
  v.string('an absolute path'),
  v.check((path) => isAbsolute(path), 'an absolute path'),
);

/** `'5%'` → 0.05. */
const percentage = v.pipe(
  v.string(PERCENTAGE),
  v.regex(/^\d+(\.\d+)?%$/, PERCENTAGE),
  v.transform((text) => Number(text.slice(0, -1)) / 100),
  v.check((share) => share > 0, PERCENTAGE),
);

/** What the settings under one name are. */
const SECTIONS: Readonly<Record<string, string>> = {
  log: 'The agent’s own log.',
  budget: 'What the agent may use of the machine.',
};

/** By dotted path under `agent`. */
export const AGENT_SETTINGS: Readonly<Record<string, Setting>> = {
  root_path: {
    doc: 'Where the file system of the measured machine begins: /hostfs when the agent runs in a container.',
    default: '/',
    env: 'SONDE_ROOT_PATH',
    arg: 'root-path',
    schema: absolutePath,
  },
  collection_interval: {
    doc: 'How often receivers collect that do not say so themselves.',
    default: '15s',
    env: 'SONDE_COLLECTION_INTERVAL',
    arg: 'collection-interval',
    schema: positiveDuration(),
  },
  'log.level': {
    doc: 'The least important lines that the agent’s own log holds.',
    default: 'info',
    env: 'SONDE_LOG_LEVEL',
    arg: 'log-level',
    schema: v.picklist(['debug', 'info', 'warn', 'error']),
  },
  'log.format': {
    doc: 'How log lines look; auto is text on a terminal and logfmt elsewhere.',
    default: 'auto',
    env: 'SONDE_LOG_FORMAT',
    arg: 'log-format',
    schema: v.picklist(['auto', 'text', 'json', 'logfmt']),
  },
  shutdown_timeout: {
    doc: 'How long the agent may take to hand over what it still holds when it is told to stop.',
    default: '10s',
    env: 'SONDE_SHUTDOWN_TIMEOUT',
    arg: 'shutdown-timeout',
    schema: duration(),
  },
  startup_timeout: {
    doc: 'How long a component may take to start before its startup_error decides.',
    default: '30s',
    env: 'SONDE_STARTUP_TIMEOUT',
    arg: 'startup-timeout',
    schema: positiveDuration(),
  },
  instance_id: {
    doc: 'The resource attribute service.instance.id; made by the agent if left out.',
    default: null,
    env: 'SONDE_INSTANCE_ID',
    arg: 'instance-id',
    schema: v.pipe(v.string('a text that is not empty'), v.nonEmpty('a text that is not empty')),
  },
  'budget.cpu': {
    doc: 'Most of one processor that the agent may take, as 5%: beyond it receivers collect less often; no limit if left out.',
    default: null,
    env: 'SONDE_BUDGET_CPU',
    arg: 'budget-cpu',
    schema: percentage,
  },
  'budget.memory': {
    doc: 'Most physical memory that it may take, as 150MiB, before it does so; no limit if left out.',
    default: null,
    env: 'SONDE_BUDGET_MEMORY',
    arg: 'budget-memory',
    schema: v.pipe(
      size(),
      v.check((bytes) => bytes > 0, 'a size of more than 0'),
    ),
  },
};

export const AGENT_SHAPE: ObjectShape = agentShape();

export interface AgentSources {
  /** What stands under `agent` in the files. */
  readonly node: MapNode | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** As `['--log-level', 'debug']`. */
  readonly args: readonly string[];
  readonly problems: ConfigProblem[];
}

export interface LoadedAgent {
  readonly settings: AgentSettings;
  /** The settings as text, each with where it came from. */
  readonly node: Node;
}

/** `undefined` when problems were added. Arguments win over the environment, and that over the files. */
export function loadAgent({ node, env, args, problems }: AgentSources): LoadedAgent | undefined {
  const written = new Map<string, Node>();
  const before = problems.length;
  if (node !== undefined) collectWritten(node, AGENT_SHAPE, [], written, problems);
  const setEnv = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const origins = new Map(
    Object.entries(AGENT_SETTINGS).map(([path, setting]) => [path, originOf(setting, setEnv, args, written.get(path))]),
  );

  const faults: { path: string; allowed: string; value: unknown }[] = [];
  const instance = convict<Record<string, unknown>>(
    convictSchema((fault) => faults.push(fault)),
    // Without these two, convict would read the arguments of the process by itself.
    { env: setEnv, args: [...args] },
  );
  instance.load(nested([...written].map(([path, value]) => [path, value.kind === 'scalar' ? value.value : null])));
  try {
    instance.validate({ allowed: 'strict' });
  } catch (error) {
    // Its message prints values and knows no places; the formats have noted what they refused.
    if (faults.length === 0) throw error;
  }
  for (const { path, allowed, value } of faults) {
    const origin = origins.get(path)!;
    const found = describeFound(fromWritten(written.get(path), value, origin), false);
    problems.push({
      message: `Cannot use agent.${path}: found ${found}, allowed is ${allowed}`,
      path: `agent.${path}`,
      place: origin,
      hint: typeof value === 'string' ? didYouMean(value, path) : undefined,
    });
  }
  if (problems.length > before) return undefined;
  return readInstance(instance, origins);
}

function readInstance(
  instance: convict.Config<Record<string, unknown>>,
  origins: ReadonlyMap<string, Origin>,
): LoadedAgent {
  const properties = flat(instance.getProperties());
  const byPath = Object.entries(AGENT_SETTINGS).map(([path, { schema }]) => {
    const value = properties.get(path) ?? null;
    return [path, value === null ? undefined : v.parse(schema, value)] as const;
  });
  let node: Node = { kind: 'map', entries: new Map(), origin: DEFAULT_ORIGIN };
  for (const [path, origin] of origins) {
    const value = properties.get(path) ?? null;
    if (value !== null) node = withValue(node, path.split('.'), fromPlain(value, origin), origin);
  }
  return { settings: nested(byPath) as unknown as AgentSettings, node };
}

export const DEFAULT_ORIGIN: Origin = { file: 'default', line: 0, column: 0 };

/** Unknown keys and sections that are no sections are reported here: convict would name them without their place. */
function collectWritten(
  node: MapNode,
  shape: ObjectShape,
  path: readonly string[],
  written: Map<string, Node>,
  problems: ConfigProblem[],
): void {
  for (const [key, { key: place, value }] of node.entries) {
    const child = shape.entries.get(key);
    const below = [...path, key];
    if (child === undefined) {
      const where = formatPath(['agent', ...path]);
      const message = `Cannot use key ${JSON.stringify(key)} in ${where}: there is no such option`;
      problems.push({ message, path: formatPath(['agent', ...below]), place, hint: hintForKey(key, shape) });
    } else if (isNull(value)) {
      continue;
    } else if (child.kind === 'object' && value.kind === 'map') {
      collectWritten(value, child, below, written, problems);
    } else if (child.kind === 'object' || value.kind !== 'scalar') {
      const full = formatPath(['agent', ...below]);
      const message = `Cannot use ${full}: found ${describeFound(value, false)}, allowed is ${describeAllowed(child)}`;
      problems.push({ message, path: full, place: value.origin });
    } else {
      written.set(below.join('.'), value);
    }
  }
}

function hintForKey(key: string, shape: ObjectShape): string | undefined {
  return suggestion(key, [...shape.entries.keys()]);
}

function didYouMean(value: string, path: string): string | undefined {
  const shape = readShape(AGENT_SETTINGS[path]!.schema);
  const hint = shape.kind === 'choice' ? suggestion(value, shape.values.map(String)) : undefined;
  return hint?.startsWith('did') === true ? hint : undefined;
}

function fromWritten(node: Node | undefined, value: unknown, origin: Origin): Node {
  return node?.kind === 'scalar' && node.value === value ? node : fromPlain(value, origin);
}

function originOf(setting: Setting, env: NodeJS.ProcessEnv, args: readonly string[], node: Node | undefined): Origin {
  const isArgument = args.some((arg) => arg === `--${setting.arg}` || arg.startsWith(`--${setting.arg}=`));
  if (isArgument) return { file: `argument --${setting.arg}`, line: 0, column: 0 };
  if (env[setting.env] !== undefined) return { file: `environment variable ${setting.env}`, line: 0, column: 0 };
  return node?.origin ?? DEFAULT_ORIGIN;
}

function convictSchema(report: (fault: { path: string; allowed: string; value: unknown }) => void) {
  const items = Object.entries(AGENT_SETTINGS).map(([path, { doc, env, arg, default: byDefault, schema }]) => {
    const format = (value: unknown): void => {
      const result = v.safeParse(schema, value);
      if (result.success) return;
      const own = result.issues[0].message;
      report({ path, allowed: own.startsWith('Invalid ') ? describeAllowed(readShape(schema)) : own, value });
      throw new TypeError(`${path} is refused`);
    };
    // Formats are functions of this instance: those that convict registers by name are shared by the whole process.
    return [path, { doc, env, arg, default: byDefault, nullable: byDefault === null, format }] as const;
  });
  return nested(items) as convict.Schema<Record<string, unknown>>;
}

function agentShape(): ObjectShape {
  const common = { isRequired: false, format: undefined, allowed: undefined, about: '' } as const;
  const root = { ...common, kind: 'object' as const, byDefault: {}, isOpen: false, entries: new Map<string, Shape>() };
  for (const [path, setting] of Object.entries(AGENT_SETTINGS)) {
    const [first, second] = path.split('.');
    const about = `${setting.doc} Variable ${setting.env}, argument --${setting.arg}.`;
    const shape: Shape = {
      ...readShape(setting.schema),
      about,
      isRequired: false,
      byDefault: setting.default ?? undefined,
    };
    if (second === undefined) {
      root.entries.set(first!, shape);
      continue;
    }
    const group = root.entries.get(first!) ?? {
      ...common,
      kind: 'object',
      about: SECTIONS[first!]!,
      byDefault: hasDefaults(first!) ? {} : undefined,
      isOpen: false,
      entries: new Map<string, Shape>(),
    };
    if (group.kind === 'object') (group.entries as Map<string, Shape>).set(second, shape);
    root.entries.set(first!, group);
  }
  return root;
}

function hasDefaults(section: string): boolean {
  return Object.entries(AGENT_SETTINGS).some(([path, own]) => path.startsWith(`${section}.`) && own.default !== null);
}

/** `[['log.level', 'info']]` → `{ log: { level: 'info' } }`. */
function nested(items: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of items) {
    const [first, second] = path.split('.');
    if (second === undefined) root[first!] = value;
    else root[first!] = { ...(root[first!] as Record<string, unknown> | undefined), [second]: value };
  }
  return root;
}

function flat(properties: Record<string, unknown>): Map<string, unknown> {
  const entries = Object.entries(properties).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([below, inner]) => [`${key}.${below}`, inner] as const)
      : [[key, value] as const],
  );
  return new Map(entries);
}
