/** The options of the receiver `connections`. */
import * as v from 'valibot';
import { option } from '../../src/config/options.ts';
import { lagProbeEntries } from '../../src/lag_probe.ts';
import { TCP_STATES } from '../../src/procfs/inet_sockets.ts';
import { globs } from '../../src/text/name_filter.ts';
import { HAPPENINGS } from './report.ts';

const STATES = [...new Set(TCP_STATES.filter((state) => state !== undefined))];

export const options = {
  source: option(
    v.picklist(['auto', 'sock_diag', 'proc']),
    'Where sockets are looked at: netlink’s sock_diag, which also tells of those that end between two looks; /proc/net; or the first of them that can be had.',
    'auto',
  ),
  events: option(v.array(v.picklist(HAPPENINGS)), 'What is told.', [...HAPPENINGS]),
  udp: option(v.boolean(), 'Whether sockets of UDP are looked at, too: bound and unbound.', false),
  exclude: option(
    v.strictObject({
      loopback: option(v.boolean(), 'Connections of the machine with itself, and what listens for them alone.', false),
      ports: option(
        v.array(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
        'Those with one of these ports, on either side.',
        [],
      ),
      addresses: option(globs(), 'Those with an address that fits one of these globs, on either side.', []),
      states: option(v.array(v.picklist(STATES)), 'Those that are in one of these states when it happens.', []),
      processes: option(globs(), 'Those of processes whose executable has a name that fits one of these globs.', []),
    }),
    'Whose events are not told. Metrics are of all.',
    {},
  ),
  processes: option(
    v.pipe(v.number(), v.integer(), v.minValue(0)),
    'How many processes, those with the most connections, have counts of their own; one remainder is of all others.',
    20,
  ),
  max_connections: option(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000_000)),
    'Most sockets that are remembered, some 100 bytes each. Others are counted by state, and an event says so.',
    100_000,
  ),
  ...lagProbeEntries,
};
