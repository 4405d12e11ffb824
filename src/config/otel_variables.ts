/** Reads the standard `OTEL_*` variables as the specification wants it, and fills values into a configuration. */
import type { ConfigProblem } from '../errors.ts';
import type { Registry } from './registry.ts';
import { fromPlain, isNull, nodeAt, withValue, type Node, type Origin, type Path } from './tree.ts';
import { quote } from './words.ts';
import { REFUSED_KEYS } from './yaml.ts';

export interface OtelContext {
  readonly env: NodeJS.ProcessEnv;
  readonly registry: Registry;
  /** Whether the default configuration is the one below all others. */
  readonly isDefault: boolean;
  readonly warnings: ConfigProblem[];
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
