/** A real carbon-cache, and what its whisper files hold. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../support/free_port.ts';
import { program, until } from './servers.ts';

/** Where a carbon listens and what it writes to, for one that is to be started again. */
export interface CarbonPlace {
  readonly folder: string;
  readonly plaintext: number;
  readonly pickle: number;
  readonly udp: number;
  readonly query: number;
  remove(): void;
}

export async function createCarbonPlace(): Promise<CarbonPlace> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-carbon-'));
  const [plaintext, pickle, udp, query] = [await freePort(), await freePort(), await freePort(), await freePort()];
  mkdirSync(join(folder, 'data'));
  writeFileSync(
    join(folder, 'carbon.conf'),
    `[cache]
STORAGE_DIR = ${folder}
CONF_DIR = ${folder}
LOG_DIR = ${folder}
PID_DIR = ${folder}
LOCAL_DATA_DIR = ${join(folder, 'data')}
USER =
ENABLE_LOGROTATION = False
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = ${plaintext}
ENABLE_UDP_LISTENER = True
UDP_RECEIVER_INTERFACE = 127.0.0.1
UDP_RECEIVER_PORT = ${udp}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = ${pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = ${query}
GRAPHITE_URL = http://127.0.0.1:9
ENABLE_TAGS = False
CARBON_METRIC_INTERVAL = 0
`,
  );
  writeFileSync(join(folder, 'storage-schemas.conf'), '[all]\npattern = .*\nretentions = 1s:1h\n');
  writeFileSync(
    join(folder, 'storage-aggregation.conf'),
    '[all]\npattern = .*\nxFilesFactor = 0\naggregationMethod = last\n',
  );
  return { folder, plaintext, pickle, udp, query, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface Carbon {
  /** What it has printed and logged so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export async function startCarbon({ folder, plaintext, pickle, query }: CarbonPlace): Promise<Carbon> {
  const command = await program('carbon');
  const packages = join(dirname(command), '../lib/python3/dist-packages');
  // Debian's interpreter, for whose version the packages are made, where there is one.
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
  const child = spawn(python, [command, `--config=${join(folder, 'carbon.conf')}`, '--nodaemon', 'start'], {
    cwd: folder,
    env: { ...process.env, PYTHONPATH: packages, GRAPHITE_ROOT: folder },
    stdio: 'pipe',
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const carbon: Carbon = {
    output: () => output,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const giveUp = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(giveUp);
      rmSync(join(folder, 'carbon-cache-a.pid'), { force: true });
    },
  };
  try {
    await until(
      'carbon listens',
      async () => {
        if (child.exitCode !== null) throw new Error(`carbon ended with ${child.exitCode}`);
        const open = await Promise.all([plaintext, pickle, query].map(isOpen));
        return !open.includes(false);
      },
      60_000,
    );
  } catch (error) {
    await carbon.stop('SIGKILL');
    throw new Error(`${(error as Error).message}\n${output}`, { cause: error });
  }
  return carbon;
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Values by second of a series' whisper file; empty where there is none. */
export function readWhisper({ folder }: CarbonPlace, path: string): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(folder, 'data', fileOf(path)));
  } catch {
    // Not written yet.
    return values;
  }
  // Header of 16 bytes; then of the one archive: offset, seconds per point and number of points.
  const offset = bytes.readUInt32BE(16);
  for (let at = offset; at + 12 <= bytes.length; at += 12) {
    const time_s = bytes.readUInt32BE(at);
    if (time_s !== 0) values.set(time_s, bytes.readDoubleBE(at + 4));
  }
  return values;
}

/** Carbon keeps tagged series under the hash of their name (`TaggedSeries.encode`). */
function fileOf(path: string): string {
  if (!path.includes(';')) return `${path.replaceAll('.', '/')}.wsp`;
  const hash = createHash('sha256').update(path).digest('hex');
  return join('_tagged', hash.slice(0, 3), hash.slice(3, 6), `${hash}.wsp`);
}
