/**
 * The standard `OTEL_*` variables. They fill in what the configuration leaves open and never override what it says:
 * who wrote an option into a file meant it. One exception makes the first step easy: with the default configuration,
 * an OTLP endpoint in the environment adds the exporter that sends there (`otel_exporter.ts`).
 *
 * As the specification asks, an empty variable counts as unset, and a value that cannot be used is ignored with a
 * warning. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { applyOtlpVariables } from './otel_exporter.ts';
import { fillIn, Variables, type OtelContext } from './otel_variables.ts';
import { typeOfId } from './registry.ts';
import { nodeAt, type MapNode, type Node } from './tree.ts';
import { quote } from './words.ts';

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
