/**
 * The receiver `connections` with many idle connections: CPU time of a collection by each source, beside `ss -tanp`.
 * Usage: node bench/connections.ts [turns]
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import connections from '../receivers/connections/index.ts';
import { runReceiver, type ReceiverRun } from '../test/support/collect.ts';
import { median, ms, table, target } from './measure.ts';

const [command = '9', count = '0'] = process.argv.slice(2);
/** Of iproute2. */
const SS = 'ss';
const SIZES = [0, 1000, 10_000];
const ROUNDS = 5;
/** Connections that are opened at once. */
const BATCH = 100;

if (command === 'hold') await hold(Number(count));
else await compare(Number(command));

/** Holds connections of this process with itself, until it is ended. */
async function hold(wanted: number): Promise<void> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
  const { port } = server.address() as AddressInfo;
  for (let open = 0; open < wanted; open += BATCH) {
    const opened = Array.from({ length: BATCH }, () => {
      const socket = connect(port, '127.0.0.1');
      return new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    });
    await Promise.all(opened);
  }
  process.stdout.write('held\n');
}

async function compare(turns: number): Promise<void> {
  const rows: (string | number)[][] = [
    ['connections', 'sockets', 'sock_diag', '/proc/net', 'ss -tanp', 'sock_diag of ss'],
  ];
  const ratios: number[] = [];
  for (const size of SIZES) {
    const holder = await startHolder(size);
    const netlink = await runReceiver(connections, { config: { source: 'sock_diag' } });
    const files = await runReceiver(connections, { config: { source: 'proc' } });
    try {
      // Processes are looked for when a socket is new.
      for (let i = 0; i < 12; i++) for (const run of [netlink, files]) await run.collect();
      const samples: [netlink: number, files: number, ss: number][] = [];
      for (let turn = 0; turn < turns; turn++) samples.push([await cpuOf(netlink), await cpuOf(files), cpuOfSs()]);
      const [ours, theirs, peer] = [0, 1, 2].map((at) => median(samples.map((sample) => sample[at])));
      ratios.push(median(samples.map((sample) => sample[0] / sample[2])));
      rows.push([size, countSockets(), ms(ours), ms(theirs), ms(peer), ratios.at(-1)!.toFixed(2)]);
    } finally {
      await netlink.stop();
      await files.stop();
      holder.kill('SIGKILL');
    }
  }
  console.log(`CPU time of one look, when nothing changes; ${turns} turns of ${ROUNDS}; medians.\n`);
  console.log(table(rows));
  console.log();
  target('CPU of a look at 10,000 idle connections by sock_diag, of that of ss -tanp', 0.5, ratios.at(-1)!);
}

async function startHolder(size: number): Promise<ChildProcess> {
  const args = [import.meta.filename, 'hold', String(size)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`Cannot hold ${size} connections: the process ended with ${code}`)));
  });
  return child;
}

async function cpuOf(run: ReceiverRun): Promise<number> {
  const before = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) await run.collect();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / ROUNDS;
}

/** CPU time of ended children: what /proc/self/stat says of them is in hundredths of a second, so of many. */
function cpuOfSs(): number {
  const rounds = ROUNDS * 4;
  const before = childTicks();
  const loop = `for i in $(seq ${rounds}); do ${SS} -tanp; done > /dev/null`;
  execFileSync('sh', ['-c', loop]);
  return ((childTicks() - before) * 10_000) / rounds;
}

function childTicks(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
  // cutime and cstime: the 16th and 17th of proc_pid_stat(5).
  return Number(fields[13]) + Number(fields[14]);
}

function countSockets(): number {
  return execFileSync(SS, ['-Htan'], { encoding: 'utf8', maxBuffer: 2 ** 28 }).split('\n').length - 1;
}
