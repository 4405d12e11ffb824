/** `npm run check`: types, lint, format, unused files and exports. Runs all of them, so that one look shows everything. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const SOURCES = ['src', 'receivers', 'processors', 'exporters', 'test', 'scripts', 'bench'];

/** Name, and what Node.js runs: each tool's own script, so that the Node.js that runs this one runs them all. */
const CHECKS: readonly (readonly [name: string, script: string, ...args: string[]])[] = [
  ['types', 'typescript/bin/tsc', '--project', '.'],
  ['lint', 'oxlint/bin/oxlint', '--deny-warnings', ...SOURCES],
  ['format', 'oxfmt/bin/oxfmt', '--check', ...SOURCES],
  ['unused files, exports and dependencies', 'knip/bin/knip.js', '--no-progress', '--no-config-hints'],
];

const failed: string[] = [];
for (const [name, script, ...args] of CHECKS) {
  const { code, output } = await runTool(script, args);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'}  ${name}`);
  if (code === 0) continue;
  failed.push(name);
  console.log(output.replace(/^/gm, '  '));
}
if (failed.length > 0) {
  console.log(`Failed: ${failed.join('; ')}`);
  process.exitCode = 1;
}

function runTool(script: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], { cwd: root });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; output: string }>();
  child.on('error', reject);
  child.on('close', (code) => resolve({ code, output }));
  return promise;
}
