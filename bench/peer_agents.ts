/** collectd and Netdata, unpacked from Debian's packages and run once a second out of a folder of their own. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { program } from '../test/integration/servers.ts';
import { freePort } from '../test/support/free_port.ts';
import { temporaryFolder } from './agents.ts';
import { start, type Measured } from './process.ts';

export interface Peer extends Measured {
  /** How many values it keeps. */
  countValues(): Promise<number>;
}

/** What Sonde's default configuration measures too. */
const COLLECTD_PLUGINS = ['cpu', 'df', 'disk', 'interface', 'load', 'memory', 'processes', 'swap', 'uptime'];

export async function startCollectd(name: string, writer?: 'csv'): Promise<Peer> {
  const command = await program('collectd');
  const root = unpackedRoot(command);
  const folder = temporaryFolder();
  const config = `
BaseDir "${folder.path}"
PIDFile "${folder.path}/pid"
PluginDir "${root}/usr/lib/collectd"
TypesDB "${root}/usr/share/collectd/types.db"
Interval 1
${[...COLLECTD_PLUGINS, ...(writer === undefined ? [] : [writer])].map((plugin) => `LoadPlugin ${plugin}\n`).join('')}
<Plugin df>
  ReportInodes true
</Plugin>
<Plugin csv>
  DataDir "${folder.path}/csv"
</Plugin>
`;
  const file = join(folder.path, 'collectd.conf');
  writeFileSync(file, config);
  const started = await start(name, command, ['-f', '-C', file], undefined, { env: libraries(root) });
  return {
    ...started,
    stop: () => started.stop().finally(folder.remove),
    // Nobody hears what it reads without a writer.
    countValues: async () =>
      writer === undefined
        ? NaN
        : readdirSync(join(folder.path, 'csv'), { recursive: true }).filter((path) => /-\d{4}-/.test(String(path)))
            .length,
  };
}

/** Plugins that measure what Sonde's default configuration does not. */
const NETDATA_OTHERS = [
  'apps',
  'tc',
  'cgroups',
  'idlejitter',
  'timex',
  'checks',
  'statsd',
  'slabinfo',
  'perf',
  'ioping',
];

/** @param isReduced whether it measures the same kinds of data alone, without alerts and anomaly detection */
export async function startNetdata(name: string, isReduced: boolean): Promise<Peer> {
  const command = await program('netdata');
  const root = unpackedRoot(command);
  const folder = temporaryFolder();
  const port = await freePort();
  for (const part of ['etc', 'cache', 'lib', 'log']) mkdirSync(join(folder.path, part));
  writeFileSync(join(folder.path, 'etc/.opt-out-from-anonymous-statistics'), '');
  const reduced = `
[ml]
  enabled = no
[health]
  enabled = no
[plugins]
  enable running new plugins = no
${NETDATA_OTHERS.map((plugin) => `  ${plugin} = no\n`).join('')}
[plugin:proc]
  /proc/pressure = no
  /proc/interrupts = no
  /proc/net/netstat = no
  /proc/net/sockstat = no
  /proc/net/sockstat6 = no
  /proc/net/softnet_stat = no
  /proc/net/stat/nf_conntrack = no
  ipc = no
`;
  const config = `
[global]
  run as user = root
[directories]
  config = ${folder.path}/etc
  stock config = ${root}/usr/lib/netdata/conf.d
  log = ${folder.path}/log
  web = ${root}/usr/share/netdata/web
  cache = ${folder.path}/cache
  lib = ${folder.path}/lib
  home = ${folder.path}
  lock = ${folder.path}/lib
  plugins = ${root}/usr/lib/netdata/plugins.d
  health config = ${folder.path}/etc
  stock health config = ${root}/usr/lib/netdata/conf.d/health.d
[web]
  bind to = 127.0.0.1:${port}
[registry]
  enabled = no
[statsd]
  bind to = udp:127.0.0.1:${await freePort()}
${isReduced ? reduced : ''}`;
  const file = join(folder.path, 'netdata.conf');
  writeFileSync(file, config);
  const api = `http://127.0.0.1:${port}/api/v1`;
  const started = await start(name, command, ['-D', '-c', file], `${api}/info`, { env: libraries(root) });
  return {
    ...started,
    stop: () => started.stop().finally(folder.remove),
    async countValues() {
      const charts = (await (await fetch(`${api}/charts`)).json()) as { dimensions_count: number };
      return charts.dimensions_count;
    },
  };
}

/** `…/collectd` of `…/collectd/usr/sbin/collectd`. */
function unpackedRoot(command: string): string {
  return dirname(dirname(dirname(command)));
}

function libraries(root: string): NodeJS.ProcessEnv {
  return { LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu') };
}
