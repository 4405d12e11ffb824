/**
 * `OTEL_EXPORTER_OTLP_*`: settings of the `otlp` exporters that name no endpoint of their own. One that does is left
 * alone altogether, or the credentials in OTEL_EXPORTER_OTLP_HEADERS would go to a back end they are not meant for.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
import * as v from 'valibot';
import type { Signal } from '../model/batch.ts';
import { fillIn, originOf, type OtelContext, type Variables } from './otel_variables.ts';
import { findDefinition, typeOfId } from './registry.ts';
import { fromPlain, isNull, isSame, nodeAt, withValue, type MapNode, type Node } from './tree.ts';
import { quote } from './words.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
const ENDPOINTS = ['endpoint', 'metrics_endpoint', 'logs_endpoint', 'traces_endpoint'];

/** An option's value and the variable that it came from. */
interface Setting {
  readonly value: unknown;
  readonly variable: string;
}
type Settings = ReadonlyMap<string, Setting>;

/** Whether any of the variables is there: each is held against the options of the `otlp` exporter. */
export function configuresOtlp(env: NodeJS.ProcessEnv): boolean {
  return Object.keys(env).some((name) => name.startsWith('OTEL_EXPORTER_OTLP_'));
}

export function applyOtlpVariables(root: MapNode, variables: Variables, context: OtelContext): MapNode {
  const bySignal = new Map(SIGNALS.map((signal) => [signal, readSettings(signal, variables, context)]));
  const exporters = otlpExporters(root);
  if (exporters.length === 0) {
    const hasEndpoint = [...bySignal.values()].some((settings) => ENDPOINTS.some((name) => settings.has(name)));
    if (hasEndpoint && !context.isDefault) {
      const reason = 'no exporter of type otlp is configured, and only the default configuration gets one added';
      const hint = 'write "otlp:" under exporters and name it in a pipeline, or unset the variable';
      variables.ignore(endpointVariable(bySignal), reason, hint);
    }
    return context.isDefault ? addExporters(root, bySignal) : root;
  }
  let filled: Node = root;
  for (const id of exporters) {
    if (!namesOwnEndpoint(root, id)) filled = fillExporter(filled, id, bySignal, variables);
  }
  return filled as MapNode;
}

function endpointVariable(bySignal: ReadonlyMap<Signal, Settings>): string {
  const found = [...bySignal.values()].flatMap((settings) => ENDPOINTS.map((name) => settings.get(name)));
  return found.find((setting) => setting !== undefined)!.variable;
}

function otlpExporters(root: MapNode): string[] {
  const exporters = nodeAt(root, ['exporters']);
  return exporters?.kind === 'map' ? [...exporters.entries.keys()].filter((id) => typeOfId(id) === 'otlp') : [];
}

/** An endpoint that refers to the standard variables is theirs, not the exporter's own. */
function namesOwnEndpoint(root: MapNode, id: string): boolean {
  return ENDPOINTS.some((name) => {
    const node = nodeAt(root, ['exporters', id, name]);
    return !isNull(node) && node?.origin.via?.startsWith('${env:OTEL_EXPORTER_OTLP_') !== true;
  });
}

// ------------------------------------------------------------------------------------------ reading the variables

function readSettings(signal: Signal, variables: Variables, context: OtelContext): Settings {
  const settings = new Map<string, Setting>();
  const set = (option: string, variable: string, value: unknown): void => {
    if (value === undefined) return;
    if (isAccepted(option, value, variable, variables, context)) settings.set(option, { value, variable });
  };
  const nameOf = (suffix: string): string => {
    const specific = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${suffix}`;
    return variables.read(specific) === undefined ? `OTEL_EXPORTER_OTLP_${suffix}` : specific;
  };
  const protocols = { grpc: 'grpc', 'http/protobuf': 'http/protobuf', 'http/json': 'http/json' };
  const protocol = variables.readChoice(nameOf('PROTOCOL'), protocols);
  set('protocol', nameOf('PROTOCOL'), protocol);
  const general = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  set('endpoint', general, readEndpoint(general, protocol, variables));
  const specific = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
  set(`${signal}_endpoint`, specific, readEndpoint(specific, protocol, variables));
  set('headers', nameOf('HEADERS'), variables.readPairs(nameOf('HEADERS')));
  const compressions = { gzip: 'gzip', zstd: 'zstd', none: 'none' };
  set('compression', nameOf('COMPRESSION'), variables.readChoice(nameOf('COMPRESSION'), compressions));
  set('timeout', nameOf('TIMEOUT'), variables.readMilliseconds(nameOf('TIMEOUT')));
  const insecure = variables.readChoice(nameOf('INSECURE'), { true: 'true', false: 'false' });
  set('insecure', nameOf('INSECURE'), insecure === undefined ? undefined : insecure === 'true');
  const files = Object.entries({ ca_file: 'CERTIFICATE', key_file: 'CLIENT_KEY', cert_file: 'CLIENT_CERTIFICATE' });
  const tls = files.flatMap(([option, suffix]) => {
    const file = variables.read(nameOf(suffix));
    return file === undefined ? [] : [[option, file, nameOf(suffix)] as const];
  });
  if (tls.length > 0) set('tls', tls[0]![2], Object.fromEntries(tls));
  if (signal === 'metrics') {
    const name = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';
    const preferences = { cumulative: 'cumulative', delta: 'delta', lowmemory: 'lowmemory' };
    set('temporality', name, variables.readChoice(name, preferences));
  }
  return settings;
}

/** A URL, or for gRPC also `host:port`. */
function readEndpoint(name: string, protocol: string | undefined, variables: Variables): string | undefined {
  const value = variables.read(name);
  if (value === undefined) return undefined;
  const isUrl = /^https?:\/\//i.test(value) && URL.canParse(value);
  if (isUrl || (protocol === 'grpc' && /^(\[[\da-fA-F:.]+\]|[^\s:/]+):\d{1,5}$/.test(value))) return value;
  const allowed = protocol === 'grpc' ? 'an http(s) URL or host:port' : 'an http(s) URL';
  variables.ignore(name, `found ${quote(value)}, allowed is ${allowed}`);
  return undefined;
}

/** Whether the exporter takes the value: what it refuses is ignored, not an error. */
function isAccepted(
  option: string,
  value: unknown,
  variable: string,
  variables: Variables,
  { registry }: OtelContext,
): boolean {
  const entries: v.ObjectEntries | undefined = findDefinition(registry, 'exporters', 'otlp')?.config.entries;
  const schema = entries !== undefined && Object.hasOwn(entries, option) ? entries[option] : undefined;
  if (schema === undefined) {
    variables.ignore(variable, `the otlp exporter has no option ${option}`);
    return false;
  }
  if (v.safeParse(schema as v.GenericSchema, value).success) return true;
  variables.ignore(variable, `the otlp exporter refuses it as ${option}`);
  return false;
}

// ------------------------------------------------------------------------------------------ filling what is there

function fillExporter(root: Node, id: string, bySignal: ReadonlyMap<Signal, Settings>, variables: Variables): Node {
  const signals = SIGNALS.filter((signal) => pipelinesOf(root, signal).some(([, list]) => namesExporter(list, id)));
  const settings = signals.map((signal) => bySignal.get(signal)!);
  const options = new Set(settings.flatMap((each) => [...each.keys()]));
  let filled = root;
  for (const option of options) {
    const found = settings.map((each) => each.get(option));
    const first = found.find((setting) => setting !== undefined)!;
    // Endpoints by signal are options of their own, and temporality is for metrics: there is nothing to agree on.
    const isShared = !option.endsWith('_endpoint') && option !== 'temporality';
    if (isShared && found.some((setting) => !isSameSetting(setting, first))) {
      const own = found.find((setting) => setting !== undefined && /_(METRICS|LOGS|TRACES)_/.test(setting.variable))!;
      variables.ignore(own.variable, `exporter ${id} carries ${signals.join(' and ')}, which differ in ${option}`);
      const general = found.find(
        (setting) => setting !== undefined && !/_(METRICS|LOGS|TRACES)_/.test(setting.variable),
      );
      if (general !== undefined) filled = fillIn(filled, ['exporters', id, option], general.value, general.variable);
      continue;
    }
    filled = fillIn(filled, ['exporters', id, option], first.value, first.variable);
  }
  return filled;
}

function isSameSetting(a: Setting | undefined, b: Setting | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return isSame(fromPlain(a.value, originOf(a.variable)), fromPlain(b.value, originOf(b.variable)));
}

function pipelinesOf(root: Node, signal: Signal): [string, Node | undefined][] {
  const pipelines = nodeAt(root, ['service', 'pipelines']);
  if (pipelines?.kind !== 'map') return [];
  return [...pipelines.entries.keys()]
    .filter((name) => typeOfId(name) === signal)
    .map((name) => [name, nodeAt(pipelines, [name, 'exporters'])]);
}

function namesExporter(list: Node | undefined, id: string): boolean {
  return list?.kind === 'list' && list.items.some((item) => item.kind === 'scalar' && item.value === id);
}

// ------------------------------------------------------------------------------------------- adding what is not

/** One exporter for all signals, or one each where their settings differ in more than the endpoint. */
function addExporters(root: MapNode, bySignal: ReadonlyMap<Signal, Settings>): MapNode {
  const wanted = SIGNALS.filter((signal) => {
    const settings = bySignal.get(signal)!;
    const hasEndpoint = settings.has('endpoint') || settings.has(`${signal}_endpoint`);
    return hasEndpoint && pipelinesOf(root, signal).length > 0;
  });
  const shared = (signal: Signal): [string, Setting][] =>
    [...bySignal.get(signal)!].filter(([option]) => !option.endsWith('_endpoint') && option !== 'temporality');
  const isOne = wanted.every((signal) => isSameSettings(shared(signal), shared(wanted[0]!)));
  let filled: Node = root;
  for (const signal of wanted) {
    const id = isOne ? 'otlp' : `otlp/${signal}`;
    const { variable } = bySignal.get(signal)!.get(`${signal}_endpoint`) ?? bySignal.get(signal)!.get('endpoint')!;
    const origin = originOf(variable);
    const settings = bySignal.get(signal)!;
    filled = fillIn(filled, ['exporters', id], {}, variable);
    for (const [option, setting] of settings) {
      filled = fillIn(filled, ['exporters', id, option], setting.value, setting.variable);
    }
    for (const [name, list] of pipelinesOf(filled, signal)) {
      if (list?.kind !== 'list') continue;
      const items = [...list.items, fromPlain(id, origin)];
      filled = withValue(filled, ['service', 'pipelines', name, 'exporters'], { ...list, items }, origin);
    }
  }
  return filled as MapNode;
}

function isSameSettings(a: readonly [string, Setting][], b: readonly [string, Setting][]): boolean {
  const other = new Map(b);
  return a.length === b.length && a.every(([option, setting]) => isSameSetting(setting, other.get(option)));
}
