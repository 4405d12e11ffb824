/** The command `sonde`, and the only file that ends the process. */
import { EXIT_CODES } from './cli/exit_codes.ts';
import { runCommandLine } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';

// Whoever reads may go away (`sonde components | head`, a closed terminal): that is no reason to end an agent.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

void main();

async function main(): Promise<void> {
  try {
    const code = await runCommandLine(process.argv.slice(2), {
      terminal: processTerminal(),
      env: process.env,
      lifetime: {
        onSignal: (signal, listener) => void process.on(signal, listener),
        onUncaught(listener) {
          process.on('uncaughtException', (error) => listener(error, 'exception'));
          process.on('unhandledRejection', (error) => listener(error, 'rejection'));
        },
        exit: (code) => process.exit(code),
      },
    });
    end(code);
  } catch (error) {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`This is a bug in sonde; please report it with the command and these lines:\n${trace}\n`);
    end(EXIT_CODES.bug);
  }
}

/** Ends the process when what was written has arrived, since a pipe takes it later. */
function end(code: number): void {
  process.exitCode = code;
  process.stdout.write('', () => process.stderr.write('', () => exitUnlessHung()));
}

/** How long a file system may still take to answer. */
const LAST_ANSWERS_MS = 1000;

/**
 * `process.exit` waits for the threads that files are read in. One that a dead file server holds never returns; then
 * nothing but a signal ends the process.
 */
function exitUnlessHung(): void {
  const isAsking = (): boolean => process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq'));
  if (!isAsking()) process.exit();
  setTimeout(() => {
    if (!isAsking()) process.exit();
    process.stderr.write('A file system does not answer: ends by SIGKILL\n', () =>
      process.kill(process.pid, 'SIGKILL'),
    );
  }, LAST_ANSWERS_MS);
}
