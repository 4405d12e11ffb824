/** A day of two hosts and an agent, minute by minute, with incidents; the same each time. */

export interface DaySeries {
  readonly series: string;
  /** By minute; undefined where nothing was measured. */
  readonly values: readonly (number | undefined)[];
}

const MINUTES = 1440;
const GIB = 1024 ** 3;
/** Of the first minute, Unix seconds, is 0: as in promtool's tests. */
const BOOTED_S = -86_400 * 3;
/** beta is off for ten minutes, and boots. */
const BETA_OFF = { from: 840, to: 850 };

export function replayedDay(): DaySeries[] {
  const random = randomFrom(20_260_301);
  return [...hostSeries('alpha', random), ...hostSeries('beta', random), ...agentSeries(random)];
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type At = (minute: number) => number | undefined;

const within = (minute: number, from: number, to: number): boolean => minute >= from && minute < to;
const rounded = (value: number): number => Number(value.toPrecision(9));

function hostSeries(host: 'alpha' | 'beta', random: () => number): DaySeries[] {
  const isBeta = host === 'beta';
  const instance = `instance="${host}:9100",job="node"`;
  const noise = (size: number): number => (random() - 0.5) * size;
  const isOff = (minute: number): boolean => isBeta && within(minute, BETA_OFF.from, BETA_OFF.to);
  const all: DaySeries[] = [];
  const add = (name: string, labels: string, at: At): void => {
    const values = Array.from({ length: MINUTES + 1 }, (_, minute) => {
      const value = isOff(minute) ? undefined : at(minute);
      return value === undefined ? undefined : rounded(value);
    });
    all.push({ series: `${name}{${labels === '' ? instance : `${instance},${labels}`}}`, values });
  };
  /** Rises by so much a second, and begins at 0 again when the host boots. */
  const addCounter = (name: string, labels: string, rate: (minute: number) => number, start = 1000): void => {
    let total = start;
    add(name, labels, (minute) => {
      if (isBeta && minute === BETA_OFF.to) total = 0;
      total += rate(minute) * 60;
      return total;
    });
  };

  // The target is missed now and then, and not looked at while beta is taken off the list.
  all.push({
    series: `up{${instance}}`,
    values: Array.from({ length: MINUTES + 1 }, (_, minute) => {
      if (isBeta && within(minute, 600, 612)) return undefined;
      if (isOff(minute)) return 0;
      return !isBeta && within(minute, 300, 340) && minute % 4 === 0 ? 0 : 1;
    }),
  });
  const busy = (minute: number): number => {
    if (!isBeta && within(minute, 120, 175)) return 0.97;
    if (isBeta && within(minute, 1330, 1370)) return 0.7;
    return (isBeta ? 0.2 : 0.3) + 0.15 * Math.sin(minute / 120) + noise(0.02);
  };
  for (const cpu of ['0', '1']) {
    const shares: Record<string, (minute: number, load: number) => number> = {
      idle: (_, load) => 1 - load,
      user: (_, load) => load * 0.7,
      system: (_, load) => load * 0.2,
      iowait: (minute) => (isBeta && within(minute, 400, 430) ? 0.3 : 0.01),
      steal: (minute) => (isBeta && within(minute, 700, 720) ? 0.25 : 0.002),
    };
    for (const [mode, share] of Object.entries(shares)) {
      addCounter('node_cpu_seconds_total', `cpu="${cpu}",mode="${mode}"`, (minute) => share(minute, busy(minute)));
    }
  }
  // beta loses a CPU for an hour.
  if (isBeta)
    add('node_cpu_seconds_total', 'cpu="2",mode="idle"', (minute) =>
      within(minute, 500, 560) ? minute * 60 : undefined,
    );
  add('node_load1', '', (minute) => 4 * busy(minute) + (isBeta && within(minute, 400, 430) ? 6 : 0));
  add(
    'node_load15',
    '',
    (minute) => 2 + 2 * busy(Math.max(0, minute - 10)) + (isBeta && within(minute, 400, 440) ? (minute - 400) / 15 : 0),
  );

  const leaked = (minute: number): number => (!isBeta && within(minute, 480, 700) ? ((minute - 480) / 220) * 11 : 0);
  const available = (minute: number): number => 12 - leaked(minute) + 0.5 * Math.sin(minute / 90) + noise(0.05);
  add('node_memory_MemTotal_bytes', '', () => 16 * GIB);
  add('node_memory_MemAvailable_bytes', '', (minute) => available(minute) * GIB);
  add('node_memory_SwapTotal_bytes', '', () => (isBeta ? 0 : 4 * GIB));
  add('node_memory_SwapFree_bytes', '', (minute) => (isBeta ? 0 : (4 - Math.min(3.5, leaked(minute) * 0.3)) * GIB));
  addCounter('node_vmstat_oom_kill', '', (minute) => (!isBeta && (minute === 699 || minute === 702) ? 1 / 60 : 0), 0);
  addCounter('node_vmstat_pswpin', '', (minute) => (leaked(minute) > 8 ? 900 : 2));

  const disks = [
    {
      labels: 'device="/dev/sda1",fstype="ext4",mountpoint="/"',
      size: 40,
      used: (minute: number) => 18 + minute / 400,
    },
    {
      labels: 'device="/dev/sdb1",fstype="ext4",mountpoint="/data"',
      size: 200,
      used: (minute: number) =>
        90 + (isBeta ? 0 : within(minute, 200, 420) ? (minute - 200) * 0.49 : minute >= 420 && minute < 450 ? 108 : 20),
    },
    { labels: 'device="tmpfs",fstype="tmpfs",mountpoint="/run"', size: 1, used: () => 0.1 },
  ];
  for (const [index, { labels, size, used }] of disks.entries()) {
    // beta's /data goes away for a while.
    const isThere = (minute: number): boolean => !(isBeta && index === 1 && within(minute, 1000, 1040));
    const at =
      (value: At): At =>
      (minute) =>
        isThere(minute) ? value(minute) : undefined;
    add(
      'node_filesystem_size_bytes',
      labels,
      at((minute) => (isBeta && index === 1 && minute >= 1100 ? size - 20 : size) * GIB),
    );
    add(
      'node_filesystem_avail_bytes',
      labels,
      at((minute) => (size - used(minute)) * GIB),
    );
    add(
      'node_filesystem_files',
      labels,
      at(() => 1e6),
    );
    add(
      'node_filesystem_files_free',
      labels,
      at((minute) => (isBeta && index === 0 && within(minute, 900, 980) ? 5e4 : 6e5)),
    );
    add(
      'node_filesystem_readonly',
      labels,
      at((minute) => (!isBeta && index === 1 && within(minute, 455, 470) ? 1 : 0)),
    );
  }

  const isSlow = (minute: number): boolean => isBeta && within(minute, 400, 430);
  for (const device of ['sda', 'sdb']) {
    const isQuiet = (minute: number): boolean => device === 'sdb' && within(minute, 1200, 1250);
    const label = `device="${device}"`;
    addCounter('node_disk_io_time_seconds_total', label, (minute) => (isSlow(minute) ? 0.95 : 0.1 + noise(0.05)));
    addCounter('node_disk_reads_completed_total', label, (minute) => (isQuiet(minute) ? 0 : 20));
    addCounter('node_disk_read_time_seconds_total', label, (minute) =>
      isQuiet(minute) ? 0 : isSlow(minute) ? 4 : 0.1,
    );
  }
  add('node_md_disks', 'device="md0",state="active"', (minute) => (isBeta && within(minute, 1050, 1060) ? 1 : 2));
  add('node_md_disks_required', 'device="md0"', () => 2);

  const isSilent = (minute: number): boolean => !isBeta && within(minute, 760, 775);
  addCounter('node_network_receive_bytes_total', 'device="eth0"', (minute) =>
    isSilent(minute) ? 0 : isBeta && within(minute, 1150, 1160) ? 1.2e8 : 1e6,
  );
  addCounter('node_network_receive_packets_total', 'device="eth0"', (minute) => (isSilent(minute) ? 0 : 1500));
  addCounter(
    'node_network_receive_errs_total',
    'device="eth0"',
    (minute) => (!isBeta && within(minute, 1260, 1275) ? 40 : 0),
    0,
  );
  add('node_network_speed_bytes', 'device="eth0"', () => 1.25e8);
  add('node_network_up', 'device="eth0"', (minute) => {
    if (!isBeta && within(minute, 1290, 1310)) return Math.floor(minute / 2) % 2;
    return !isBeta && within(minute, 1311, 1315) ? 0 : 1;
  });
  add('node_nf_conntrack_entries', '', (minute) =>
    isBeta && within(minute, 1150, 1165) ? 220_000 : 9000 + noise(500),
  );
  add('node_nf_conntrack_entries_limit', '', () => 262_144);

  add('node_time_seconds', '', (minute) => minute * 60);
  add('node_boot_time_seconds', '', (minute) => (isBeta && minute >= BETA_OFF.to ? BETA_OFF.to * 60 : BOOTED_S));
  add('node_timex_offset_seconds', '', (minute) =>
    isBeta && within(minute, 60, 100) ? (minute - 60) * 0.004 : noise(0.001),
  );
  add('node_timex_sync_status', '', (minute) => (isBeta && within(minute, 60, 100) ? 0 : 1));
  for (const name of ['ssh.service', 'backup.service']) {
    const hasFailed = (minute: number): boolean =>
      (name.startsWith('backup') && within(minute, 30, 50)) ||
      (name.startsWith('ssh') && !isBeta && within(minute, 1400, 1404));
    const restarts = (minute: number): boolean =>
      isBeta && name.startsWith('backup') && within(minute, 1180, 1200) && minute % 5 === 0;
    for (const state of ['active', 'failed']) {
      add('node_systemd_unit_state', `name="${name}",state="${state}"`, (minute) =>
        (state === 'failed' ? hasFailed(minute) : !hasFailed(minute) && !restarts(minute)) ? 1 : 0,
      );
    }
  }
  add('node_filefd_allocated', '', (minute) => (isBeta && within(minute, 250, 280) ? 80_000 : 4000));
  add('node_filefd_maximum', '', () => 100_000);
  add('node_hwmon_temp_celsius', 'chip="cpu",sensor="temp1"', (minute) => 45 + 40 * busy(minute));
  const release = (minute: number): '6.1' | '6.12' => (isBeta && minute >= BETA_OFF.to ? '6.12' : '6.1');
  for (const one of ['6.1', '6.12'] as const) {
    if (one === '6.12' && !isBeta) continue;
    add('node_uname_info', `nodename="${host}.example.com",release="${one}"`, (minute) =>
      release(minute) === one ? 1 : undefined,
    );
  }
  const slowShare = (minute: number): number => (isBeta && within(minute, 400, 430) ? 0.5 : 0.02);
  const bounds: [string, (minute: number) => number][] = [
    ['0.1', (minute) => 0.8 - slowShare(minute)],
    ['0.5', (minute) => 1 - slowShare(minute)],
    ['2.5', () => 1],
    ['+Inf', () => 1],
  ];
  for (const [le, share] of bounds) addCounter('probe_duration_seconds_bucket', `le="${le}"`, share, 0);
  return all;
}

function agentSeries(random: () => number): DaySeries[] {
  const all: DaySeries[] = [];
  const add = (name: string, labels: string, at: At): void => {
    const values = Array.from({ length: MINUTES + 1 }, (_, minute) => {
      const value = within(minute, 640, 646) ? undefined : at(minute);
      return value === undefined ? undefined : rounded(value);
    });
    all.push({ series: `${name}{${labels}}`, values });
  };
  const host = 'host_name="gamma"';
  const used = (minute: number): number => (within(minute, 900, 960) ? 7.2 : 3 + random() * 0.1);
  add('system_memory_usage_bytes', `${host},system_memory_state="used"`, (minute) => used(minute) * GIB);
  add(
    'system_memory_usage_bytes',
    `${host},system_memory_state="free"`,
    (minute) => (within(minute, 900, 960) ? 0.4 : 4) * GIB,
  );
  add('system_memory_usage_bytes', `${host},system_memory_state="cached"`, () => 0.4 * GIB);
  const full = (minute: number): number => (within(minute, 100, 400) ? 20 + (minute - 100) * 0.1 : 20);
  const filesystem = `${host},system_device="/dev/vda1",system_filesystem_mountpoint="/"`;
  add('system_filesystem_usage_bytes', `${filesystem},system_filesystem_state="used"`, (minute) => full(minute) * GIB);
  add(
    'system_filesystem_usage_bytes',
    `${filesystem},system_filesystem_state="free"`,
    (minute) => (50 - full(minute)) * GIB,
  );
  let idle = 0;
  add(
    'system_cpu_time_seconds_total',
    `${host},cpu_logical_number="0",cpu_mode="idle"`,
    (minute) => (idle += within(minute, 1000, 1030) ? 6 : 48),
  );
  // It boots at noon.
  add('system_uptime_seconds', host, (minute) => (minute < 720 ? 5000 + minute * 60 : (minute - 720) * 60 + 15));
  let dropped = 0;
  add(
    'sonde_component_dropped_total',
    'sonde_component_id="otlp",sonde_drop_reason="queue_full"',
    (minute) => (dropped += within(minute, 540, 560) ? 7 : 0),
  );
  add(
    'sonde_component_dropped_total',
    'sonde_component_id="filter",sonde_drop_reason="filtered"',
    (minute) => minute * 3,
  );
  for (const id of ['otlp', 'loki']) {
    const isDown = (minute: number): boolean => id === 'otlp' && within(minute, 500, 560);
    let sent = 0;
    let failed = 0;
    let queued = 0;
    add(
      'sonde_component_sent_total',
      `sonde_component_id="${id}"`,
      (minute) => (sent += isDown(minute) ? 0 : id === 'otlp' ? 400 : 300),
    );
    add('sonde_component_failed_total', `sonde_component_id="${id}"`, (minute) => (failed += isDown(minute) ? 6 : 0));
    add('sonde_queue_usage_bytes', `sonde_component_id="${id}"`, (minute) => {
      queued = isDown(minute) ? Math.min(1e8, queued + 2.5e6) : Math.max(0, queued - 2e7);
      return queued;
    });
    add('sonde_queue_limit_bytes', `sonde_component_id="${id}"`, () => 1e8);
  }
  return all;
}

/** In promtool's notation, as short as it goes. */
export function dayNotation({ values }: DaySeries): string {
  const parts: string[] = [];
  for (let at = 0; at < values.length;) {
    const value = values[at];
    let end = at;
    while (end < values.length && Object.is(values[end], value)) end++;
    const count = end - at;
    if (value === undefined) parts.push(`_x${count}`);
    else parts.push(count === 1 ? String(value) : `${value}x${count - 1}`);
    at = end;
  }
  return parts.join(' ');
}
