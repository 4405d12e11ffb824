/**
 * Bundles the agent into one CommonJS file. Loose ES modules cost 39 MB and half a second more
 * (docs/decisions/bundle.md).
 */
import { build } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

await build({
  absWorkingDir: root,
  entryPoints: { main: 'src/main.ts' },
  outdir: dist,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'eof',
  // Libraries call createRequire(import.meta.url), and the agent looks for configs/ beside itself.
  define: { 'import.meta.url': '__bundleUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
  logLevel: 'warning',
});

// The compile cache spares V8 the parsing at every later start; it has to be on before the bundle is loaded.
writeFileSync(
  join(dist, 'sonde.cjs'),
  `#!/usr/bin/env -S node --max-semi-space-size=1
const [major] = process.versions.node.split('.');
if (Number(major) < 26) {
  console.error(\`sonde needs Node.js 26 or later; this is \${process.version}. Install it, or run "npm start" in the source folder, which brings its own.\`);
  process.exit(69);
}
require('node:module').enableCompileCache(require('node:path').join(__dirname, '.cache'));
require('./main.cjs');
`,
  { mode: 0o755 },
);

const bytes = readFileSync(join(dist, 'main.cjs')).length;
console.error(`dist/sonde.cjs: ${(bytes / 1024).toFixed(0)} KiB`);
