/** As much of JSON Schema as the project's own schemas of frames use; what it does not know it refuses. */

type Schema = Readonly<Record<string, unknown>>;

/** What is wrong with a value, as `/seq: is no integer`. */
export function schemaProblems(root: Schema, value: unknown, schema: Schema = root, path = ''): string[] {
  const problems: string[] = [];
  const fail = (reason: string): void => void problems.push(`${path}: ${reason}`);
  for (const [keyword, rule] of Object.entries(schema)) {
    switch (keyword) {
      case '$schema':
      case '$defs':
      case 'title':
      case 'description':
        break;
      case '$ref':
        problems.push(...schemaProblems(root, value, resolve(root, rule as string), path));
        break;
      case 'oneOf': {
        const all = (rule as Schema[]).map((one) => schemaProblems(root, value, one, path));
        const fitting = all.filter((found) => found.length === 0).length;
        if (fitting !== 1) fail(`fits ${fitting} of ${all.length}: ${JSON.stringify(all)}`);
        break;
      }
      case 'type':
        if (![rule].flat().some((type) => isOfType(value, type as string))) fail(`is no ${JSON.stringify(rule)}`);
        break;
      case 'const':
        if (value !== rule) fail(`is not ${JSON.stringify(rule)}`);
        break;
      case 'enum':
        if (!(rule as unknown[]).includes(value)) fail(`is none of ${JSON.stringify(rule)}`);
        break;
      case 'pattern':
        if (!new RegExp(rule as string, 'u').test(String(value))) fail(`does not fit ${String(rule)}`);
        break;
      case 'minimum':
        if (!((value as number) >= (rule as number))) fail(`is below ${String(rule)}`);
        break;
      case 'properties':
        for (const [key, one] of Object.entries(rule as Record<string, Schema>)) {
          if (isOfType(value, 'object') && Object.hasOwn(value as object, key)) {
            problems.push(...schemaProblems(root, (value as Record<string, unknown>)[key], one, `${path}/${key}`));
          }
        }
        break;
      case 'required':
        for (const key of rule as string[]) {
          if (!isOfType(value, 'object') || !Object.hasOwn(value as object, key)) fail(`lacks ${key}`);
        }
        break;
      case 'additionalProperties': {
        if (rule !== false) throw new TypeError('Cannot use additionalProperties other than false');
        const known = Object.keys((schema['properties'] ?? {}) as object);
        for (const key of Object.keys((value ?? {}) as object)) if (!known.includes(key)) fail(`has ${key}`);
        break;
      }
      default:
        throw new TypeError(`Cannot use the keyword ${keyword} of ${path}`);
    }
  }
  return problems;
}

function resolve(root: Schema, ref: string): Schema {
  return ref
    .split('/')
    .slice(1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], root) as Schema;
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
