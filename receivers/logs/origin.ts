/** What the lines of a file have in common: attributes of the file, and the container that its path names. */
import { basename } from 'node:path';
import { markLasting, type Attributes } from '../../src/model/attributes.ts';
import type { Resource } from '../../src/model/batch.ts';

export interface Origin {
  readonly path: string;
  readonly resource: Resource;
  readonly attributes: Attributes;
  /** Of what is only a part of a line or record. */
  readonly partial: Attributes;
}

export interface OriginOptions {
  readonly resource: Resource;
  readonly hasName: boolean;
  readonly hasPath: boolean;
  readonly hasContainer: boolean;
}

export function createOrigin(path: string, { resource, hasName, hasPath, hasContainer }: OriginOptions): Origin {
  const attributes: Record<string, string> = {};
  if (hasName) attributes['log.file.name'] = basename(path);
  if (hasPath) attributes['log.file.path'] = path;
  const partial = { ...attributes, 'log.record.partial': true };
  markLasting(attributes);
  markLasting(partial);
  const container = hasContainer ? containerOf(path) : undefined;
  if (container === undefined) return { path, resource, attributes, partial };
  return { path, resource: { ...resource, attributes: { ...resource.attributes, ...container } }, attributes, partial };
}

/** `/var/log/pods/default_web-7d5b_6a3f…/nginx/0.log`: namespace, pod, uid, container and how often it was restarted. */
const POD = /\/pods\/([^/_]+)_([^/_]+)_([^/]+)\/([^/]+)\/(\d+)\.log[^/]*$/;
/** `/var/log/containers/web-7d5b_default_nginx-<64 hexadecimal digits>.log`, a link to the above. */
const CONTAINER = /\/containers\/([^/_]+)_([^/_]+)_([^/]+)-([0-9a-f]{64})\.log[^/]*$/;
/** `/var/lib/docker/containers/<id>/<id>-json.log`. */
const DOCKER = /\/containers\/([0-9a-f]{64})\/\1-json\.log[^/]*$/;

/** Undefined for a path that is not one of the container runtimes'. */
export function containerOf(path: string): Record<string, string | number> | undefined {
  let match = POD.exec(path);
  if (match !== null) {
    return {
      'k8s.namespace.name': match[1]!,
      'k8s.pod.name': match[2]!,
      'k8s.pod.uid': match[3]!,
      'k8s.container.name': match[4]!,
      'k8s.container.restart_count': Number(match[5]),
    };
  }
  match = CONTAINER.exec(path);
  if (match !== null) {
    return {
      'k8s.namespace.name': match[2]!,
      'k8s.pod.name': match[1]!,
      'k8s.container.name': match[3]!,
      'container.id': match[4]!,
    };
  }
  match = DOCKER.exec(path);
  return match === null ? undefined : { 'container.id': match[1]! };
}
