/** Asks systemd which units there are, and in which state: over D-Bus, by one call a collection. */
import { existsSync } from 'node:fs';
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option, optional } from '../../src/config/options.ts';
import { messageOf } from '../../src/errors.ts';
import { globs } from '../../src/text/name_filter.ts';
import { compilePatterns } from '../../src/text/pattern.ts';
import { connect, type Connection, type MethodCall } from './dbus.ts';
import { readUnits, type Unit } from './units.ts';

const BUS = '/run/dbus/system_bus_socket';
/** Of systemd itself, for root: there even while the bus is not. */
const PRIVATE = '/run/systemd/private';

export default defineReceiver({
  type: 'systemd',
  about: 'Asks systemd how many units are in which state, and names those that failed.',
  config: v.strictObject({
    units: option(
      globs(),
      'Patterns, as "postgresql*.service", of units that are reported whatever their state; failed ones always are.',
      [],
    ),
    ignore: option(globs(), 'Patterns of units that are left out, in the counts too.', []),
    socket: optional(
      v.pipe(v.string(), v.minLength(1, 'a path')),
      `Socket to ask: of systemd itself, or of a bus where its name ends with bus or bus_socket. ${PRIVATE} for root and ${BUS} for others if left out.`,
    ),
  }),
  metrics: {
    units: {
      name: 'systemd.units',
      instrument: 'updowncounter',
      unit: '{unit}',
      about: 'Loaded units by state.',
      attributes: ['systemd.unit.active_state'],
      source: 'sonde',
    },
    state: {
      name: 'systemd.unit.state',
      instrument: 'updowncounter',
      unit: '1',
      about: 'The state that a unit is in now, as 1: of failed units, and of those that are asked for.',
      attributes: ['systemd.unit.name', 'systemd.unit.active_state'],
      source: 'collector',
    },
  },
  sources: [PRIVATE, BUS],
  create({ config, host, log, metrics }) {
    const isIgnored = compilePatterns('glob', config.ignore);
    const isAsked = compilePatterns('glob', config.units);
    let connection: Connection | undefined;
    let destination = '';

    async function open(signal: AbortSignal): Promise<Connection> {
      if (connection?.isOpen === true) return connection;
      const isRoot = process.getuid?.() === 0;
      const path = config.socket ?? host.resolve(isRoot && existsSync(host.resolve(PRIVATE)) ? PRIVATE : BUS);
      const isBus = /bus(_socket)?$/.test(path);
      connection = await connect(path, signal);
      destination = isBus ? 'org.freedesktop.systemd1' : '';
      if (isBus) await connection.call(HELLO, signal);
      return connection;
    }

    return {
      async collect(observer, limit) {
        let units: readonly Unit[];
        try {
          const systemd = await open(limit.signal);
          units = readUnits(await systemd.call({ ...LIST_UNITS, destination }, limit.signal));
          log.over('systemd', 'systemd answers again');
        } catch (error) {
          connection?.close();
          log.once('systemd', `Cannot ask systemd: ${messageOf(error)}`);
          return;
        }
        const counts = new Map<string, number>(STATES.map((state) => [state, 0]));
        for (const { name, activeState } of units) {
          if (isIgnored(name)) continue;
          const attributes = { 'systemd.unit.active_state': activeState };
          counts.set(activeState, (counts.get(activeState) ?? 0) + 1);
          if (activeState === 'failed' || isAsked(name))
            observer.observe(metrics.state, 1, { 'systemd.unit.name': name, ...attributes });
        }
        for (const [state, count] of counts)
          observer.observe(metrics.units, count, { 'systemd.unit.active_state': state });
      },
      stop: () => connection?.close(),
    };
  },
});

/** Those that most machines have at one time or another: a count of 0 is told, too. */
const STATES = ['active', 'inactive', 'activating', 'deactivating', 'reloading', 'failed'];

const HELLO: MethodCall = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'Hello',
};

const LIST_UNITS: Omit<MethodCall, 'destination'> = {
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
  member: 'ListUnits',
};
