/**
 * Attributes of the semantic conventions under their names in the Elastic Common Schema, as Elastic documents the
 * correspondence and the Collector's exporter has it in its mode `ecs`. All others keep their names.
 */
import type { Attributes } from '../../src/model/attributes.ts';
import type { Resource } from '../../src/model/batch.ts';
import { textJson } from '../../src/text/value_json.ts';
import { valueText } from '../../src/text/value_text.ts';
import { isRouting } from './fields.ts';
import type { Target } from './targets.ts';
import { copyTree, setLeaf, setValue, type Tree } from './tree.ts';

const RESOURCE_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['service.instance.id', ['service.node.name']],
  ['deployment.environment', ['service.environment']],
  ['deployment.environment.name', ['service.environment']],
  ['telemetry.sdk.name', []],
  ['telemetry.sdk.language', []],
  ['telemetry.sdk.version', []],
  ['telemetry.distro.name', []],
  ['telemetry.distro.version', []],
  ['cloud.platform', ['cloud.service.name']],
  ['container.image.tags', ['container.image.tag']],
  ['host.name', ['host.hostname', 'host.name']],
  ['host.arch', ['host.architecture']],
  ['process.executable.path', ['process.executable']],
  ['process.runtime.name', ['service.runtime.name']],
  ['process.runtime.version', ['service.runtime.version']],
  ['os.name', ['host.os.name']],
  ['os.type', ['host.os.platform']],
  ['os.description', ['host.os.full']],
  ['os.version', ['host.os.version']],
  ['k8s.cluster.name', ['orchestrator.cluster.name']],
  ['k8s.container.name', ['kubernetes.container.name']],
  ['k8s.cronjob.name', ['kubernetes.cronjob.name']],
  ['k8s.daemonset.name', ['kubernetes.daemonset.name']],
  ['k8s.deployment.name', ['kubernetes.deployment.name']],
  ['k8s.job.name', ['kubernetes.job.name']],
  ['k8s.namespace.name', ['kubernetes.namespace']],
  ['k8s.node.name', ['kubernetes.node.name']],
  ['k8s.pod.name', ['kubernetes.pod.name']],
  ['k8s.pod.uid', ['kubernetes.pod.uid']],
  ['k8s.replicaset.name', ['kubernetes.replicaset.name']],
  ['k8s.statefulset.name', ['kubernetes.statefulset.name']],
]);

const RECORD_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['event.name', ['event.action']],
  ['exception.message', ['error.message']],
  ['exception.stacktrace', ['error.stack_trace']],
  ['exception.type', ['error.type']],
]);

const known = new WeakMap<Resource, Tree>();

/** A tree of its own with the fields of the resource. */
export function resourceTree(resource: Resource): Tree {
  let tree = known.get(resource);
  if (tree === undefined) {
    tree = new Map();
    setAttributes(tree, resource.attributes, RESOURCE_NAMES);
    const { name, version } = agentOf(resource.attributes);
    setLeaf(tree, 'agent.name', textJson(name));
    if (version !== '') setLeaf(tree, 'agent.version', textJson(version));
    const system = systemType(resource.attributes);
    if (system !== undefined) setLeaf(tree, 'host.os.type', `"${system}"`);
    known.set(resource, tree);
  }
  return copyTree(tree);
}

/** Of a scope, record or point. */
export function setRecordAttributes(tree: Tree, attributes: Attributes): void {
  setAttributes(tree, attributes, RECORD_NAMES);
}

export function setDataStream(tree: Tree, { dataStream }: Target): void {
  if (dataStream === undefined) return;
  for (const [key, value] of Object.entries(dataStream)) setLeaf(tree, `data_stream.${key}`, textJson(value));
}

function setAttributes(tree: Tree, attributes: Attributes, names: ReadonlyMap<string, readonly string[]>): void {
  for (const key of Object.keys(attributes)) {
    if (isRouting(key)) continue;
    for (const name of names.get(key) ?? [key]) setValue(tree, name, attributes[key]);
  }
}

/** ECS wants to know who made the data: `opentelemetry/nodejs`, `otlp` where nobody says. */
function agentOf(attributes: Attributes): { readonly name: string; readonly version: string } {
  const [sdk, language, distro, distroVersion, sdkVersion] = [
    'telemetry.sdk.name',
    'telemetry.sdk.language',
    'telemetry.distro.name',
    'telemetry.distro.version',
    'telemetry.sdk.version',
  ].map((key) => valueText(attributes[key]));
  const spoken = language === '' && distro !== '' ? 'unknown' : language;
  const name = [sdk === '' ? 'otlp' : sdk, spoken, distro].filter((part) => part !== '').join('/');
  return { name, version: distroVersion || sdkVersion || '' };
}

const SYSTEMS: Readonly<Record<string, string>> = {
  windows: 'windows',
  linux: 'linux',
  darwin: 'macos',
  aix: 'unix',
  hpux: 'unix',
  solaris: 'unix',
  freebsd: 'unix',
  netbsd: 'unix',
  openbsd: 'unix',
};

/** `host.os.type` has only these values. */
function systemType(attributes: Attributes): string | undefined {
  const name = valueText(attributes['os.name']);
  if (name === 'Android' || name === 'iOS') return name.toLowerCase();
  const type = valueText(attributes['os.type']);
  return Object.hasOwn(SYSTEMS, type) ? SYSTEMS[type] : undefined;
}
