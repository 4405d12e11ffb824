/**
 * The standard `OTEL_*` variables. They fill in what the configuration leaves open and never override what it says:
 * who wrote an option into a file meant it. One exception makes the first step easy: with the default configuration,
 * an OTLP endpoint in the environment adds the exporter that sends there (`otel_exporter.ts`).
 *
 * As the specification asks, an empty variable counts as unset, and a value that cannot be used is ignored with a
 * warning. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import type { ConfigProblem } from '../errors.ts';
import { applyOtlpVariables } from './otel_exporter.ts';
import { typeOfId, type Registry } from './registry.ts';
import { fromPlain, isNull, nodeAt, withValue, type MapNode, type Node, type Origin, type Path } from './tree.ts';
import { quote } from './words.ts';
import { REFUSED_KEYS } from './yaml.ts';

export interface OtelContext {
  readonly env: NodeJS.ProcessEnv;
  readonly registry: Registry;
  /** Whether the default configuration is the one below all others. */
  readonly isDefault: boolean;
  readonly warnings: ConfigProblem[];
}

export function applyOtelEnvironment(root: MapNode, context: OtelContext): MapNode {
  const variables = new Variables(context.env, context.warnings);
  let filled: Node = applyResource(root, variables);
  filled = applyAgent(filled, variables);
  filled = applyPrometheus(filled, variables);
  if (variables.read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') {
    variables.ignore('OTEL_SDK_DISABLED', 'it turns off SDKs inside applications, this is an agent');
  }
  return applyOtlpVariables(filled as MapNode, variables, context);
}

/** Reads variables, and warns of those that cannot be used. */
export class Variables {
  readonly #env: NodeJS.ProcessEnv;
  readonly #warnings: ConfigProblem[];
  constructor(env: NodeJS.ProcessEnv, warnings: ConfigProblem[]) {
    this.#env = env;
    this.#warnings = warnings;
  }

  /** `undefined` where it is unset or empty. */
  read(name: string): string | undefined {
    const value = this.#env[name]?.trim();
    return value === '' ? undefined : value;
  }

  ignore(name: string, reason: string, hint = 'it is ignored'): void {
    const warning = {
      message: `Cannot use ${name}: ${reason}`,
      path: '',
      hint,
    };
    if (!this.#warnings.some(({ message }) => message === warning.message)) this.#warnings.push(warning);
  }

  /** One of `values`, whatever its case. */
  readChoice(name: string, values: Readonly<Record<string, string>>): string | undefined {
    const value = this.read(name);
    if (value === undefined) return undefined;
    if (Object.hasOwn(values, value.toLowerCase())) return values[value.toLowerCase()];
    this.ignore(name, `found ${quote(value)}, allowed is one of ${Object.keys(values).join(', ')}`);
    return undefined;
  }

  /** A whole number of milliseconds, as a duration. */
  readMilliseconds(name: string): string | undefined {
    const value = this.read(name);
    if (value === undefined) return undefined;
    if (/^\d{1,12}$/.test(value) && Number(value) > 0) return `${Number(value)}ms`;
    this.ignore(name, `found ${quote(value)}, allowed is a whole number of milliseconds`);
    return undefined;
  }

  /**
   * `key=value,key=value` with percent-encoded values, as W3C Baggage has it. One bad pair spoils the whole, as the
   * specification says of resource attributes; values are never printed, since headers hold credentials.
   */
  readPairs(name: string): Record<string, string> | undefined {
    const value = this.read(name);
    if (value === undefined) return undefined;
    const pairs: [string, string][] = [];
    for (const [at, pair] of value.split(',').entries()) {
      if (pair.trim() === '') continue;
      const [, key, encoded] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(pair) ?? [];
      const decoded = encoded === undefined ? undefined : decode(encoded);
      if (key === undefined || decoded === undefined || REFUSED_KEYS.has(key)) {
        this.ignore(name, `pair ${at + 1} is not key=value with a percent-encoded value`);
        return undefined;
      }
      pairs.push([decode(key) ?? key, decoded]);
    }
    return Object.fromEntries(pairs);
  }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // A % that is followed by no two digits: the caller says so, by name.
    return undefined;
  }
}

export function originOf(variable: string): Origin {
  return { file: `environment variable ${variable}`, line: 0, column: 0 };
}

/** `value` at `path`, unless the configuration has something there. */
export function fillIn(root: Node, path: Path, value: unknown, variable: string): Node {
  if (value === undefined || !isNull(nodeAt(root, path))) return root;
  // Something that is no section on the way is an error of the configuration, which validation reports.
  const isBlocked = path.some((_, length) => {
    const above = nodeAt(root, path.slice(0, length));
    return above !== undefined && !isNull(above) && above.kind !== 'map';
  });
  const origin = originOf(variable);
  return isBlocked ? root : withValue(root, path, fromPlain(value, origin), origin);
}

/** OTEL_SERVICE_NAME wins over a service.name in OTEL_RESOURCE_ATTRIBUTES. */
function applyResource(root: Node, variables: Variables): Node {
  const name = variables.read('OTEL_SERVICE_NAME');
  let filled = fillIn(root, ['resource', 'attributes', 'service.name'], name, 'OTEL_SERVICE_NAME');
  for (const [key, value] of Object.entries(variables.readPairs('OTEL_RESOURCE_ATTRIBUTES') ?? {})) {
    filled = fillIn(filled, ['resource', 'attributes', key], value, 'OTEL_RESOURCE_ATTRIBUTES');
  }
  return filled;
}

const LOG_LEVELS: Readonly<Record<string, string>> = {
  all: 'debug',
  trace: 'debug',
  verbose: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
};

function applyAgent(root: Node, variables: Variables): Node {
  const level = variables.readChoice('OTEL_LOG_LEVEL', LOG_LEVELS);
  const interval = variables.readMilliseconds('OTEL_METRIC_EXPORT_INTERVAL');
  const filled = fillIn(root, ['agent', 'log', 'level'], level, 'OTEL_LOG_LEVEL');
  return fillIn(filled, ['agent', 'collection_interval'], interval, 'OTEL_METRIC_EXPORT_INTERVAL');
}

function applyPrometheus(root: Node, variables: Variables): Node {
  const host = variables.read('OTEL_EXPORTER_PROMETHEUS_HOST');
  const port = variables.read('OTEL_EXPORTER_PROMETHEUS_PORT');
  if (host === undefined && port === undefined) return root;
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) {
    variables.ignore('OTEL_EXPORTER_PROMETHEUS_PORT', `found ${quote(port)}, allowed is a port from 0 to 65535`);
    return root;
  }
  const bracketed = host?.includes(':') === true && !host.startsWith('[') ? `[${host}]` : (host ?? '127.0.0.1');
  const endpoint = `${bracketed}:${port ?? 9464}`;
  const exporters = nodeAt(root, ['exporters']);
  let filled = root;
  for (const id of exporters?.kind === 'map' ? exporters.entries.keys() : []) {
    if (typeOfId(id) !== 'prometheus') continue;
    const variable = host === undefined ? 'OTEL_EXPORTER_PROMETHEUS_PORT' : 'OTEL_EXPORTER_PROMETHEUS_HOST';
    filled = fillIn(filled, ['exporters', id, 'endpoint'], endpoint, variable);
  }
  return filled;
}
