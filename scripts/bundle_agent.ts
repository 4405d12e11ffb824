/**
 * Bundles the agent in two steps. The first splits it into ES modules along its `import()` (esbuild can split into no
 * others): one for each component and command, and one for whatever set of these shares code. The second joins those
 * that `sonde run` needs with the default configuration to one file, and makes CommonJS of each other, which asks that
 * file for what they share: so every class and every cache is there once.
 */
import { build, type BuildOptions, type Metafile, type OutputFile, type Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';

interface AgentFiles {
  readonly main: Metafile['outputs'];
  readonly parts: Metafile['outputs'];
}

type Options = BuildOptions & { readonly absWorkingDir: string; readonly outdir: string };

export async function buildAgent(options: Options): Promise<AgentFiles> {
  const split = await build({
    ...options,
    entryPoints: { main: 'src/main.ts' },
    format: 'esm',
    splitting: true,
    supported: { ...options.supported, 'dynamic-import': true },
    chunkNames: '[name]-[hash]',
    banner: {},
    metafile: true,
    write: false,
  });
  const modules = new Map(split.outputFiles.map((file) => [nameOf(file.path), file]));
  const core = coreOf(split.metafile, entriesOfDefault(options.absWorkingDir));
  const apart = [...modules.keys()].filter((name) => !core.has(name));
  const shared = new Set(apart.flatMap((name) => importsOf(split.metafile, name)).filter((name) => core.has(name)));

  const main = await build({
    ...options,
    stdin: { contents: mainText(shared), resolveDir: options.absWorkingDir, sourcefile: 'main' },
    outdir: undefined,
    outfile: join(options.outdir, 'main.cjs'),
    outExtension: undefined,
    metafile: true,
    plugins: [inOneFile(modules, core)],
  });
  const parts = await build({
    ...options,
    entryPoints: Object.fromEntries(apart.map((name) => [name.replace(/\.cjs$/, ''), `./${name}`])),
    metafile: true,
    plugins: [inFilesOfTheirOwn(modules, core)],
  });
  return { main: main.metafile.outputs, parts: parts.metafile.outputs };
}

/** Lends what the other files need of this one, and starts the agent. */
function mainText(shared: ReadonlySet<string>): string {
  const lent = [...shared].map((name) => `${JSON.stringify(name)}: () => require("./${name}")`);
  return `module.exports = { ${lent.join(', ')} };\nrequire("./main.cjs");\n`;
}

/** The sources that `sonde run` imports with the default configuration. */
function entriesOfDefault(root: string): RegExp {
  const config = parse(readFileSync(join(root, 'configs/sonde.yaml'), 'utf8')) as Record<string, object | undefined>;
  const components = ['receivers', 'processors', 'exporters'].flatMap((section) =>
    Object.keys(config[section] ?? {}).map((type) => `${section}/${type}(/index)?`),
  );
  return new RegExp(`^(src/cli/(run|catalog)|${components.join('|')})\\.ts$`);
}

/** The first module, what it imports, and what it imports later if that is one of `entries`. */
function coreOf({ outputs }: Metafile, entries: RegExp): ReadonlySet<string> {
  const core = new Set<string>();
  const add = (path: string): void => {
    if (core.has(nameOf(path))) return;
    core.add(nameOf(path));
    for (const { path: imported, kind, external } of outputs[path]!.imports) {
      if (external === true) continue;
      if (kind !== 'dynamic-import' || entries.test(outputs[imported]!.entryPoint ?? '')) add(imported);
    }
  };
  add(Object.keys(outputs).find((path) => outputs[path]!.entryPoint === 'src/main.ts')!);
  return core;
}

function importsOf({ outputs }: Metafile, name: string): string[] {
  const path = Object.keys(outputs).find((one) => nameOf(one) === name)!;
  return outputs[path]!.imports.map((one) => nameOf(one.path));
}

function nameOf(path: string): string {
  return basename(path);
}

type Modules = ReadonlyMap<string, OutputFile>;

function inOneFile(modules: Modules, core: ReadonlySet<string>): Plugin {
  return {
    name: 'in one file',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path }) =>
        core.has(path.slice(2)) ? { path: path.slice(2), namespace: 'module' } : { path, external: true },
      );
      onLoad({ filter: /^/, namespace: 'module' }, ({ path }) => ({ contents: modules.get(path)!.text }));
    },
  };
}

function inFilesOfTheirOwn(modules: Modules, core: ReadonlySet<string>): Plugin {
  return {
    name: 'in files of their own',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, kind, namespace }) => {
        const name = path.slice(2);
        if (kind === 'entry-point') return { path: name, namespace: 'module' };
        return namespace === 'module' && core.has(name) ? { path: name, namespace: 'lent' } : { path, external: true };
      });
      onLoad({ filter: /^/, namespace: 'module' }, ({ path }) => ({ contents: modules.get(path)!.text }));
      onLoad({ filter: /^/, namespace: 'lent' }, ({ path }) => ({
        contents: `module.exports = require("./main.cjs")[${JSON.stringify(path)}]();`,
      }));
    },
  };
}
