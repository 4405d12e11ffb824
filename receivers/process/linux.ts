/** Follows the processes of a Linux machine from collection to collection, and reports those that were chosen. */
import type { BatchObservableResult, ComponentLog, Host } from '../../src/component.ts';
import { attributesKey } from '../../src/model/attributes.ts';
import { Cursor } from '../../src/procfs/bytes.ts';
import { readOnlineCpus } from '../../src/procfs/cpus.ts';
import { createDetailReader, readPss, type DetailReader, type OnFailure } from '../../src/procfs/process/details.ts';
import { createIdentityReader } from '../../src/procfs/process/identity.ts';
import { LEVELS, createNumbers, type Process, SYSTEM, USER } from '../../src/procfs/process/process.ts';
import { openProcessTable, type ProcessTable, type Scan } from '../../src/procfs/process/table.ts';
import { attempt } from '../../src/procfs/source.ts';
import { startTimeOf } from '../../src/procfs/process/creation.ts';
import { describeProcess, GROUP_ATTRIBUTES, groupOf } from './describe.ts';
import { createGroups } from './groups.ts';
import { createHostTotals } from './host_totals.ts';
import { type Metrics, REMAINDER } from './metrics.ts';
import { type ProcessConfig, rankedMeasures } from './options.ts';
import { createRanking } from './ranking.ts';
import { createRemainder } from './remainder.ts';
import { compileRules } from './rules.ts';
import { type Instruments, UnitSeries } from './series.ts';
import { MEASURES, score, Unit } from './units.ts';

const TICKS_PER_S = 100;

export interface TrackerOptions {
  readonly config: ProcessConfig;
  readonly host: Host;
  readonly log: ComponentLog;
  readonly metrics: Instruments;
  isEnabled(metric: keyof Metrics): boolean;
}

export interface Tracker {
  collect(observer: BatchObservableResult): void;
  stop(): void;
}

export function createTracker({ config, host, log, metrics, isEnabled }: TrackerOptions): Tracker {
  const { top, group_by, refresh_idle, max_pinned } = config;
  const grouping = group_by === 'none' ? undefined : group_by;
  const ranked = rankedMeasures(top);
  const measures = ranked.map(({ name }) => MEASURES[name]);
  const ranking = createRanking<Unit>({
    places: ranked.map(({ places }) => places),
    hysteresis: config.hysteresis,
    minStay_ms: config.min_stay,
  });
  const isPinned = compileRules(config.pinned);
  const isExcluded = compileRules(config.exclude);
  const needsRules = config.pinned.length > 0 || config.exclude.length > 0 || grouping !== undefined;
  const onFailure: OnFailure = (source, error) => {
    attempt(log, source, () => {
      throw error;
    });
  };
  const identities = createIdentityReader({ host, onFailure });
  const wanted = {
    io: isEnabled('diskIo') || isEnabled('diskOperations') || top.io > 0,
    status: isEnabled('contextSwitches') || isEnabled('memorySwap') || top.context_switches > 0 || top.swap > 0,
    descriptors: isEnabled('fileDescriptors') || top.file_descriptors > 0,
  };
  const needsDetails = wanted.io || wanted.status || wanted.descriptors;
  const readTotals = createHostTotals({ host, log }, { cpu: isEnabled('cpuTime'), faults: isEnabled('faults') });

  /** Every process that was there at the collection before, and is there now. */
  const units = new Map<Process, Unit>();
  const groups = createGroups(measures.length);
  const remainder = createRemainder();
  const remainderLevels = createNumbers(LEVELS);
  const remainderSeries = new UnitSeries({ [REMAINDER]: grouping ?? 'process' }, undefined);
  let table: ProcessTable | undefined;
  let details: DetailReader | undefined;
  let collection = -1;
  let collectedAt_ms = 0;
  let collectedAt_ns = 0n;

  /** Takes over what the scan found; those that ended stay until the collection is done. */
  function follow(scan: Scan): void {
    for (const process of scan.processes) {
      let unit = units.get(process);
      if (unit === undefined) units.set(process, (unit = new Unit(measures.length, collection, process)));
      if (needsDetails && mustReadDetails(unit, process, scan.number)) details!.read(process, scan.number);
      const isRuled = unit.ruledName === process.nameHash && unit.ruledOwner === process.owner;
      if (needsRules && !isRuled) putUnderRules(unit, process);
    }
    for (const unit of units.values()) unit.hasEnded = unit.process!.hasEnded;
  }

  function mustReadDetails(unit: Unit, process: Process, scan: number): boolean {
    return (
      unit.reportedIn === collection - 1 ||
      process.changedScan === scan ||
      process.detailScan === -1 ||
      process.inheritedIo !== undefined ||
      // By pid, so that not all idle ones fall to the same collection.
      (process.pid + collection) % refresh_idle === 0
    );
  }

  function putUnderRules(unit: Unit, process: Process): void {
    const identity = identities.identify(process);
    const excluded = isExcluded(identity);
    const pinned = !excluded && isPinned(identity);
    const name = grouping === undefined || excluded ? undefined : groupOf(grouping, identity);
    // Otherwise what was read may be another process's.
    if (!table!.refresh(process)) return;
    unit.isExcluded = excluded;
    unit.isPinned = pinned;
    unit.group = name === undefined ? undefined : groups.get(name, collection);
    unit.ruledName = process.nameHash;
    unit.ruledOwner = process.owner;
  }

  function fillGroups(): void {
    groups.begin(collection);
    for (const unit of units.values()) {
      // A group that was given up while this process was out of it begins anew.
      if (unit.group?.hasEnded) unit.ruledName = NaN;
      else if (unit.group !== undefined) groups.add(unit.group, unit, collection);
    }
  }

  /** Those with a place and those pinned, in a stable order, with their series. */
  function choose(subjects: readonly Unit[], now_ms: number): Unit[] {
    const chosen = new Set<Unit>();
    let left = max_pinned;
    for (const unit of subjects) {
      if (!unit.isPinned || unit.hasEnded) continue;
      if (left-- > 0) chosen.add(unit);
    }
    if (left < 0)
      log.once('max_pinned', `Cannot pin more than max_pinned, ${max_pinned}: ${-left} more are ranked like any other`);
    else log.over('max_pinned', 'All that are to be pinned are pinned again');
    for (const unit of ranking.select(subjects, now_ms)) chosen.add(unit);
    return [...chosen].filter((unit) => unit.process === undefined || describe(unit, unit.process));
  }

  /** False if the process has ended. */
  function describe(unit: Unit, process: Process): boolean {
    const { series } = unit;
    if (series !== undefined && unit.describedName === process.nameHash && unit.describedOwner === process.owner) {
      return true;
    }
    const bootTime = readBootTime();
    const startTime = bootTime === undefined ? undefined : startTimeOf(process, bootTime);
    const described = describeProcess(process, identities.identify(process), startTime, config);
    if (!table!.refresh(process)) return false;
    unit.describedName = process.nameHash;
    unit.describedOwner = process.owner;
    if (series !== undefined && attributesKey(series.attributes) === attributesKey(described)) return true;
    unit.series = new UnitSeries(described, startTime);
    // For readers it is another series, whose first value is no increase.
    unit.reportedIn = -1;
    return true;
  }

  /** Without it processes have no time of creation, and what they are cannot be told for sure. */
  function readBootTime(): bigint | undefined {
    return attempt(log, 'boot time', host.bootTime);
  }

  function nameGroups(): void {
    if (grouping === undefined) return;
    for (const [name, group] of groups.units) {
      group.series ??= new UnitSeries(
        { [GROUP_ATTRIBUTES[grouping]]: name },
        collection === 0 ? readBootTime() : collectedAt_ns,
      );
    }
  }

  function observe(observer: BatchObservableResult, reported: readonly Unit[], elapsed_s: number): void {
    const uptime_s =
      isEnabled('uptime') && grouping === undefined ? attempt(log, '/proc/uptime', readUptime) : undefined;
    const cpus = isEnabled('cpuUtilization') && collection > 0 ? countCpus() : 0;
    for (const unit of reported) {
      const { process } = unit;
      const series = unit.series!;
      series.observe(observer, metrics, unit.counters, unit.levels);
      if (process === undefined) observer.observe(metrics.count, unit.size, series.attributes);
      else {
        if (uptime_s !== undefined) {
          // Both are hundredths of a second; their difference in seconds would have more digits than it knows.
          const age_ticks = Math.round(uptime_s * TICKS_PER_S) - process.startTicks;
          observer.observe(metrics.uptime, Math.max(0, age_ticks) / TICKS_PER_S, series.attributes);
        }
        if (isEnabled('memoryPss'))
          observer.observe(metrics.memoryPss, readPss(host, process, onFailure), series.attributes);
      }
      if (cpus > 0) {
        const share = (counter: number): number =>
          Math.min(1, unit.increment(counter) / TICKS_PER_S / Math.max(elapsed_s, 0.01) / cpus);
        series.observeUtilization(observer, metrics.cpuUtilization, share(USER), share(SYSTEM));
      }
    }
  }

  function countCpus(): number {
    return attempt(log, '/sys/devices/system/cpu/online', () => readOnlineCpus(host))?.length ?? host.os.cpus().length;
  }

  /** Seconds since boot: `1234.56 2345.67`. */
  function readUptime(): number {
    const uptime_s = new Cursor(host.read('/proc/uptime')).decimal();
    if (Number.isNaN(uptime_s)) throw new SyntaxError('Cannot parse /proc/uptime: found no number');
    return uptime_s;
  }

  function observeRemainder(observer: BatchObservableResult, reported: ReadonlySet<Unit>): void {
    remainderLevels.fill(0);
    const isKnown = createNumbers(LEVELS, 0);
    let size = 0;
    for (const unit of units.values()) {
      if (unit.hasEnded) continue;
      const isReported = reported.has(unit.group ?? unit);
      if (!isReported) size++;
      for (let i = 0; i < LEVELS; i++) {
        if (Number.isNaN(unit.levels[i])) continue;
        isKnown[i] = 1;
        if (!isReported) remainderLevels[i] += unit.levels[i];
      }
    }
    for (let i = 0; i < LEVELS; i++) if (isKnown[i] === 0) remainderLevels[i] = NaN;
    remainderSeries.observe(observer, metrics, remainder.values, remainderLevels);
    observer.observe(metrics.count, size, remainderSeries.attributes);
  }

  return {
    collect(observer) {
      table ??= openProcessTable(host, { mostKept: config.kept_descriptors });
      details ??= createDetailReader({ host, table, onFailure }, wanted);
      const scan = attempt(log, '/proc', () => table!.scan());
      if (scan === undefined) return;
      attempt(log, '/proc/[pid]/stat', () => {
        if (scan.failure !== undefined) throw scan.failure;
      });
      collection++;
      const now_ms = performance.now();
      const elapsed_s = (now_ms - collectedAt_ms) / 1000;
      follow(scan);
      const totals = readTotals();
      if (grouping !== undefined) fillGroups();
      const subjects = grouping === undefined ? [...units.values()] : [...groups.units.values()];
      const uptime_s = collection === 0 ? (attempt(log, '/proc/uptime', readUptime) ?? 0) : 0;
      for (const unit of subjects) {
        const isFirst = unit.firstCollection === collection;
        const lifetime_s = uptime_s - (unit.process?.startTicks ?? 0) / TICKS_PER_S;
        score(unit, measures, collection === 0 ? lifetime_s : elapsed_s, isFirst);
      }
      nameGroups();
      const reported = choose(subjects, now_ms);
      remainder.advance(totals, units.values(), reported, collection);
      observe(observer, reported, elapsed_s);
      observeRemainder(observer, new Set(reported));
      for (const unit of reported) unit.reportedIn = collection;
      for (const unit of groups.units.values()) unit.settle();
      groups.end(collection, elapsed_s);
      for (const [process, unit] of units) {
        if (unit.hasEnded) units.delete(process);
        else unit.settle();
      }
      collectedAt_ms = now_ms;
      collectedAt_ns = BigInt(Date.now()) * 1_000_000n;
    },
    stop() {
      table?.close();
      table = undefined;
      details = undefined;
    },
  };
}
