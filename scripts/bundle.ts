/**
 * Bundles the agent into CommonJS files below `dist/`: `sonde.cjs` starts it, `agent/main.cjs` is what `sonde run` needs
 * for the default configuration, the other files of `agent/` are the other components and commands, and each library is
 * a file of its own in `packages/`, so that what a configuration does not use is not in memory
 * (docs/decisions/bundle.md, docs/decisions/memory.md).
 */
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';
import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { buildAgent } from './bundle_agent.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
const { dependencies } = require('../package.json') as { readonly dependencies: Readonly<Record<string, string>> };

/** So little of these is used that they are better off inside, where the rest of them is left out. */
const INSIDE = ['@opentelemetry/api', 'valibot'];
/** What several libraries share, by its fullest entry and the names that they know it by: one copy, or its classes differ. */
const SHARED = { '@nats-io/nats-core/internal': ['@nats-io/nats-core', '@nats-io/nats-core/internal'] };
/** Libraries that are files of their own: the entry of each name. */
const APART = new Map([
  ...Object.keys(dependencies)
    .filter((name) => !INSIDE.includes(name))
    .map((name) => [name, name] as const),
  ...Object.entries(SHARED).flatMap(([entry, names]) => names.map((name) => [name, entry] as const)),
]);

/** Imported at the top of a module, but loaded only when one of their names is first used: few configurations do. */
const LATE = [
  '@opentelemetry/sdk-logs',
  '@opentelemetry/sdk-metrics',
  '@prometheus-io/lezer-promql',
  'node:crypto',
  'node:fs/promises',
  'node:net',
  'node:stream/promises',
];

const options = {
  absWorkingDir: root,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node26',
  // One character beyond ASCII, and V8 keeps a file of a megabyte or more with two bytes a character.
  charset: 'ascii',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
  // One that has its WebAssembly in it: the other reads a file beside it, which is not there.
  alias: { '@platformatic/wasm-utils': '@platformatic/wasm-utils/bundled' },
  // Its `paths` are for declarations only.
  tsconfigRaw: {},
  // Libraries call createRequire(import.meta.url), and the agent looks for configs/ beside itself.
  define: { 'import.meta.url': '__bundleUrl', 'import.meta.dirname': '__dirname' },
  // Node.js finds the names of what a CommonJS file exports by looking at its text, which the bundler has changed: this
  // makes `require` of `import()`.
  supported: { 'dynamic-import': false },
  banner: { js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions;

const [agent, packages] = await Promise.all([
  buildAgent({ ...options, outdir: join(dist, 'agent'), plugins: [late(), apart('../packages')] }),
  build({
    ...options,
    entryPoints: Object.fromEntries([...APART.values()].map((entry) => [fileName(entry), entry])),
    outdir: join(dist, 'packages'),
    plugins: [apart('.')],
  }),
]);
copyFileSync(join(root, 'scripts', 'launcher.cjs'), join(dist, 'sonde.cjs'));
chmodSync(join(dist, 'sonde.cjs'), 0o755);
copyFileSync(join(root, 'scripts', 'resident.cjs'), join(dist, 'resident.cjs'));

removeOthers(join(dist, 'agent'), [agent.main, agent.parts]);

const size = (files: Metafile['outputs']): string =>
  `${(Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0) / 1024).toFixed(0)} KiB`;
console.error(
  `dist/sonde.cjs: ${size(agent.main)}, other parts ${size(agent.parts)}, packages ${size(packages.metafile.outputs)}`,
);

/** What bundles before this one left behind; not before they are replaced, since an agent may be running. */
function removeOthers(folder: string, written: readonly Metafile['outputs'][]): void {
  const names = new Set(written.flatMap((files) => Object.keys(files)).map((path) => basename(path)));
  for (const name of readdirSync(folder)) if (!names.has(name)) rmSync(join(folder, name));
}

function fileName(name: string): string {
  return name.replace('@', '').replaceAll('/', '-');
}

/** Leaves the libraries that have files of their own to `require`. */
function apart(folder: string): Plugin {
  return {
    name: 'apart',
    setup({ onResolve }) {
      onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
        const entry = kind === 'entry-point' ? undefined : APART.get(path);
        return entry === undefined ? undefined : { path: `${folder}/${fileName(entry)}.cjs`, external: true };
      });
    },
  };
}

/** Puts a module of getters in the place of a late one. */
function late(): Plugin {
  return {
    name: 'late',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^[^.]/, namespace: 'file' }, ({ path, kind }) =>
        kind === 'import-statement' && LATE.includes(path) ? { path, namespace: 'late' } : undefined,
      );
      onLoad({ filter: /^/, namespace: 'late' }, ({ path }) => ({
        contents: [
          `let loaded; const load = () => (loaded ??= require(${JSON.stringify(path)}));`,
          ...Object.keys(require(path) as object).map(
            (name) => `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => load().${name} });`,
          ),
        ].join('\n'),
        resolveDir: root,
      }));
    },
  };
}
