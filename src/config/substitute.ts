/**
 * Puts the values of variables and files into scalars: `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}`; `$$` is
 * a dollar. It works on the parsed tree, so a value can neither add keys nor be read as YAML, and what it brings is
 * not looked through again.
 */
import { dirname, resolve } from 'node:path';
import type { ConfigProblem } from '../errors.ts';
import { decodeText, readLimited, reasonOf } from './limited_file.ts';
import { nearest } from './suggest.ts';
import { formatPath, type Entry, type Node, type Path, type ScalarNode } from './tree.ts';

const MAX_FILE_BYTES = 2 ** 20;
/** As the Collector's: other names are more likely a slip than a variable. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,199}$/;

export interface Substitution {
  readonly env: NodeJS.ProcessEnv;
  readonly problems: ConfigProblem[];
}

export function substitute(node: Node, context: Substitution, path: Path = []): Node {
  if (node.kind === 'list') {
    return { ...node, items: node.items.map((item, at) => substitute(item, context, [...path, at])) };
  }
  if (node.kind === 'map') {
    const entries = new Map<string, Entry>();
    for (const [key, entry] of node.entries) {
      entries.set(key, { ...entry, value: substitute(entry.value, context, [...path, key]) });
    }
    return { ...node, entries };
  }
  if (typeof node.value !== 'string' || !node.value.includes('$')) return node;
  return substituteScalar(node, node.value, context, path);
}

function substituteScalar(node: ScalarNode, text: string, context: Substitution, path: Path): ScalarNode {
  let result = '';
  const references: string[] = [];
  const readFrom: string[] = [];
  let isReference = false;
  for (let at = 0; at < text.length;) {
    if (text.startsWith('$$', at)) {
      result += '$';
      at += 2;
    } else if (text.startsWith('${', at)) {
      const end = text.indexOf('}', at);
      const reference = text.slice(at, end === -1 ? undefined : end + 1);
      const found = end === -1 ? { fault: 'its closing brace is missing' } : resolveReference(reference, node, context);
      const shown = withoutDefault(reference);
      if ('fault' in found) {
        const message = `Cannot substitute ${shown} in ${formatPath(path)}: ${found.fault}`;
        context.problems.push({ message, path: formatPath(path), place: node.origin, hint: found.hint });
        return node;
      }
      result += found.text;
      references.push(shown);
      isReference = reference === text;
      if (found.file !== undefined) readFrom.push(found.file);
      at = end + 1;
    } else {
      result += text[at++]!;
    }
  }
  if (references.length === 0) return { ...node, value: result };
  return {
    ...node,
    value: result,
    origin: { ...node.origin, via: references.join(', ') },
    isReference,
    isFromFile: readFrom.length > 0,
    readFrom,
  };
}

/** A default may be a secret: it stays out of messages. */
function withoutDefault(reference: string): string {
  return reference.replace(/:-.*\}?$/s, ':-…}');
}

type Found = { text: string; file?: string } | { fault: string; hint?: string | undefined };

/** @param reference `${scheme:rest}` */
function resolveReference(reference: string, node: ScalarNode, context: Substitution): Found {
  const inside = reference.slice(2, -1);
  if (inside.includes('${')) return { fault: 'a reference cannot hold another' };
  const [, scheme, rest] = /^([a-z]+):(.*)$/s.exec(inside) ?? [];
  if (scheme === 'env') return resolveVariable(rest!, context.env);
  if (scheme === 'file') return resolveFile(rest!, node.origin.line > 0 ? dirname(node.origin.file) : '.');
  if (scheme !== undefined)
    return { fault: `there is no source "${scheme}"`, hint: 'known: ${env:NAME}, ${file:PATH}' };
  const meant = VARIABLE.test(inside) ? `write \${env:${inside}} for the variable` : 'write ${env:NAME} for a variable';
  return {
    fault: 'it does not say where from',
    hint: `${meant}, or $${withoutDefault(reference)} for this text itself`,
  };
}

function resolveVariable(text: string, env: NodeJS.ProcessEnv): Found {
  const [name, byDefault] = splitDefault(text);
  if (!VARIABLE.test(name)) {
    return {
      fault: 'this is no name of a variable',
      hint: 'letters, digits and _, as ${env:NAME} or ${env:NAME:-default}',
    };
  }
  const value = env[name];
  // As in the shell: `:-` stands in for an empty variable too.
  if (byDefault !== undefined && (value === undefined || value === '')) return { text: byDefault };
  if (value !== undefined) return { text: value };
  const meant = nearest(name, Object.keys(env));
  return {
    fault: `the environment variable ${name} is not set`,
    hint: `set it, or give a default: \${env:${name}:-value}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
  };
}

function splitDefault(text: string): [string, string | undefined] {
  const at = text.indexOf(':-');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 2)];
}

/** Relative paths count from the folder of the configuration file that names them. */
function resolveFile(path: string, folder: string): Found {
  if (path === '') return { fault: 'it names no file' };
  const file = resolve(folder, path);
  try {
    return { text: decodeText(readLimited(file, MAX_FILE_BYTES)).replace(/\r?\n$/, ''), file };
  } catch (error) {
    return { fault: `${file}: ${reasonOf(error)}` };
  }
}
