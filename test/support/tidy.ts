/** The structure rules of the project, as functions from files to what is wrong with them. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Text of each file, by path from the project's root. */
export type Tree = ReadonlyMap<string, string>;

const ROOT = join(import.meta.dirname, '../..');
const FOLDERS = ['src', 'receivers', 'processors', 'exporters', 'test', 'bench', 'scripts'];
/** Holds the words that the rules look for. */
const EXEMPT = new Set(['test/support/tidy.ts', 'test/tidy.test.ts']);

/** The TypeScript files of the project. */
export function readTree(): Tree {
  const tree = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name).slice(ROOT.length + 1);
      if (!EXEMPT.has(path) && !path.startsWith('test/fixtures/'))
        tree.set(path, readFileSync(join(ROOT, path), 'utf8'));
    }
  }
  return tree;
}

interface Import {
  /** As written. */
  readonly from: string;
  /** Path from the project's root; undefined for packages. */
  readonly path: string | undefined;
  readonly isType: boolean;
  readonly isDynamic: boolean;
}

const STATIC = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /(?<!\w)import\(\s*'([^']+)'\s*\)/g;

function importsOf(path: string, text: string): Import[] {
  const imports: Import[] = [];
  const add = (from: string, isType: boolean, isDynamic: boolean): void => {
    const target = from.startsWith('.') ? normalize(join(dirname(path), from)) : undefined;
    imports.push({ from, path: target, isType, isDynamic });
  };
  for (const [, type, from] of text.matchAll(STATIC)) add(from, type !== undefined, false);
  for (const [whole, from] of text.matchAll(DYNAMIC)) {
    // `typeof import('…')` is a type.
    add(from, text.includes(`typeof ${whole}`), true);
  }
  return imports;
}

const COMPONENT = /^(receivers|processors|exporters)\/([^/]+?)(?:\.ts$|\/)/;
const LIST = /^(receivers|processors|exporters)\/index\.ts$/;
/** What components may build on, besides the model. */
const GROUND =
  /^src\/((component|errors|held_records|client_certificates|certificate_files|credentials|secret_file|sleep|outlet|hand_over|lag_probe|scheduler|position_file|folder_lock|state_directory|canary_folder|config\/(options|http_client|limited_file|suggest|tree|yaml|yaml_errors)|delivery\/(compress|snappy))\.ts|native\/|logs\/|procfs\/|prometheus\/|nats\/|kafka\/|text\/|store\/|promql\/|rules\/|notify\/|anomaly\/)/;
/** The only files that may know which components there are. */
const KNOWS_LISTS = /^(src\/(agent|main)\.ts|src\/cli\/|scripts\/|bench\/|test\/)/;

/** model ← component ← {receivers, processors, exporters} ← index ← agent ← main. */
export function checkImportDirection(tree: Tree): string[] {
  return everyImport(tree, (path, { path: target }) => {
    if (target === undefined || isAllowed(path, target)) return undefined;
    return `${path} imports ${target}`;
  });
}

function isAllowed(path: string, target: string): boolean {
  if (/^(test|bench|scripts)\//.test(path) || target === 'package.json') return true;
  if (target.startsWith('test/') || target.startsWith('bench/')) return false;
  if (path.startsWith('src/model/')) return target.startsWith('src/model/');
  if (GROUND.test(path)) return target.startsWith('src/model/') || GROUND.test(target);
  if (LIST.test(path)) return target === 'src/component.ts' || dirname(target).split('/')[0] === dirname(path);
  const own = COMPONENT.exec(path);
  if (own !== null) {
    const other = COMPONENT.exec(target);
    if (other !== null) return !LIST.test(target) && other[1] === own[1] && other[2] === own[2];
    return target.startsWith('src/model/') || GROUND.test(target);
  }
  if (COMPONENT.test(target) && !KNOWS_LISTS.test(path)) return false;
  if (COMPONENT.test(target) && path.startsWith('src/')) return LIST.test(target);
  if (target === 'src/main.ts') return false;
  return target !== 'src/agent.ts' || path === 'src/main.ts' || path.startsWith('src/cli/');
}

/** Modules that cost so much memory and start-up time that they load only where they are used. */
const HEAVY = new Set([
  'node:http',
  'node:https',
  'node:http2',
  'node:tls',
  '@grpc/grpc-js',
  '@nats-io/jetstream',
  '@nats-io/transport-node',
  '@platformatic/kafka',
  'nodemailer',
  'systeminformation',
]);

export function checkHeavyImports(tree: Tree): string[] {
  return everyImport(tree, (path, { from, isType, isDynamic }) =>
    HEAVY.has(from) && !isType && !isDynamic && !path.startsWith('test/') && !path.startsWith('bench/')
      ? `${path} loads ${from} at start`
      : undefined,
  );
}

export function checkExtensions(tree: Tree): string[] {
  return everyImport(tree, (path, { from }) =>
    from.startsWith('.') && !/\.(ts|json)$/.test(from) ? `${path} imports ${from} without .ts` : undefined,
  );
}

/** Lines after which a file is to be split by reason. */
const LONGEST = 350;

/** Files that are one thing, with the reason. */
export type LongFiles = Readonly<Record<string, string>>;

export function checkLengths(tree: Tree, long: LongFiles): string[] {
  const problems: string[] = [];
  for (const [path, text] of tree) {
    if (path.startsWith('test/') || path.startsWith('bench/')) continue;
    const lines = text.split('\n').length - 1;
    if (lines > LONGEST && !(path in long)) problems.push(`${path} has ${lines} lines, more than ${LONGEST}`);
    if (lines <= LONGEST && path in long) problems.push(`${path} has ${lines} lines and needs no exception`);
  }
  return problems;
}

export function checkNames(tree: Tree): string[] {
  return [...tree.keys()]
    .filter((path) => /(^|[/_.-])(utils?|helpers?|common|managers?)(?=[/_.-])/.test(path))
    .map((path) => `${path} is named after nothing`);
}

interface TextRule {
  readonly pattern: RegExp;
  readonly problem: string;
  readonly applies: (path: string) => boolean;
  /** Comments may say it. */
  readonly isOfCode?: true;
}

const isSource = (path: string): boolean => !/^(test|bench|scripts)\//.test(path);
const always = (): boolean => true;

const TEXT_RULES: readonly TextRule[] = [
  { pattern: /\b(TODO|FIXME|XXX|HACK)\b/, problem: 'leaves something to do', applies: always },
  { pattern: /\b(test|it|describe)(\.\w+)*\.(skip|only|todo)\b/, problem: 'leaves tests out', applies: always },
  { pattern: /@ts-(ignore|expect-error|nocheck)/, problem: 'silences the type checker', applies: always },
  { pattern: /(: |<|, | \| )any(\[\]|[;,)>]| [|&=])|\bas any\b/, problem: 'uses any', applies: always, isOfCode: true },
  {
    pattern: /\bprocess\.exit\(/,
    problem: 'ends the process',
    applies: (path) => isSource(path) && path !== 'src/main.ts',
  },
  {
    pattern: /^export default\b/m,
    problem: 'has a default export and is no component',
    applies: (path) => LIST.test(path) || (isSource(path) && !COMPONENT.test(path)),
  },
  {
    pattern: /^export (type )?(\*|\{[^}]*\}) from\b/m,
    problem: 'exports what another file holds',
    applies: isSource,
  },
  {
    pattern: /\bcatch \{(?!\s*\/\/)/,
    problem: 'catches without saying why nothing is done with the error',
    applies: always,
  },
];

const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

export function checkTexts(tree: Tree): string[] {
  const problems: string[] = [];
  for (const [path, text] of tree) {
    const code = text.replace(COMMENT, (comment) => comment.replace(/[^\n]/g, ' '));
    for (const { pattern, problem, applies, isOfCode } of TEXT_RULES) {
      const match = applies(path) ? pattern.exec(isOfCode ? code : text) : null;
      if (match !== null) problems.push(`${path}:${lineOf(text, match.index)} ${problem}: ${match[0].trim()}`);
    }
  }
  return problems;
}

function everyImport(tree: Tree, check: (path: string, from: Import) => string | undefined): string[] {
  const problems: string[] = [];
  for (const [path, text] of tree) {
    for (const one of importsOf(path, text)) {
      const problem = check(path, one);
      if (problem !== undefined) problems.push(problem);
    }
  }
  return problems;
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
