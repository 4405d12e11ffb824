/** Follows processes by the shared table, and containers by their processes. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { attributesKey, type AnyValue } from '../../src/model/attributes.ts';
import { type Arguments, commandLineOf, commandOf } from '../../src/procfs/process/command.ts';
import { creationTime, startTimeOf } from '../../src/procfs/process/creation.ts';
import { createIdentityReader, type Identity } from '../../src/procfs/process/identity.ts';
import type { Process } from '../../src/procfs/process/process.ts';
import { openProcessTable } from '../../src/procfs/process/table.ts';
import { attempt } from '../../src/procfs/source.ts';
import type { Entity, Relationship, Reporter } from './reporter.ts';

export interface Processes {
  /** Tells what has come, changed and gone since the look before. */
  look(now_ms: number): void;
  close(): void;
}

export interface ProcessesOptions {
  readonly host: Host;
  readonly log: ComponentLog;
  readonly reporter: Reporter;
  /** Undefined where the host cannot be identified. */
  readonly hostEntity: Entity | undefined;
  readonly tellsProcesses: boolean;
  readonly tellsContainers: boolean;
  readonly limit: number;
  readonly command_line: Arguments;
}

interface Known {
  entity: Entity;
  readonly container: Container | undefined;
  /** What a change of is a change of the description, or makes one likely. */
  name: number;
  parent: number;
}

interface Container {
  readonly entity: Entity;
  members: number;
}

export function createProcesses(options: ProcessesOptions): Processes {
  const { host, log, reporter, hostEntity, tellsProcesses, tellsContainers } = options;
  const table = openProcessTable(host);
  const bootTime = host.bootTime();
  const identities = createIdentityReader({
    host,
    onFailure(source, error) {
      attempt(log, source, () => {
        throw error;
      });
    },
  });
  const known = new Map<Process, Known>();
  const containers = new Map<string, Container>();
  const runsOnHost: readonly Relationship[] = hostEntity === undefined ? [] : [{ type: 'runs_on', to: hostEntity }];

  function describe(process: Process, identity: Identity, container: Container | undefined): Entity {
    const { executable, executablePath, args, owner, cgroup } = identity;
    const described: Record<string, AnyValue | undefined> = {
      'process.executable.name': executable,
      'process.executable.path': executablePath,
      'process.command': commandOf(args, executablePath),
      'process.command_line': options.command_line === 'none' ? undefined : commandLineOf(args, options.command_line),
      'process.owner': owner,
      'process.parent_pid': process.parent,
      'systemd.unit': cgroup.unit,
    };
    const description = Object.entries(described).filter(
      (entry): entry is [string, AnyValue] => entry[1] !== undefined && entry[1] !== '',
    );
    const parent = table.find(process.parent);
    const relationships: Relationship[] = [...runsOnHost];
    if (container !== undefined && tellsContainers) relationships.push({ type: 'part_of', to: container.entity });
    if (parent !== undefined) relationships.push({ type: 'child_of', to: { type: 'process', id: identify(parent) } });
    return { type: 'process', id: identify(process), description: Object.fromEntries(description), relationships };
  }

  const identify = (process: Process): Entity['id'] => ({
    'process.pid': String(process.pid),
    'process.creation.time': creationTime(startTimeOf(process, bootTime)),
  });

  function enter(process: Process): void {
    const identity = identities.identify(process);
    const container = containerOf(identity.cgroup.containerId);
    const entity = describe(process, identity, container);
    // Otherwise what was read may be another process's.
    if (!table.refresh(process)) return;
    if (container !== undefined) container.members++;
    known.set(process, { entity, container, name: process.nameHash, parent: process.parent });
  }

  function containerOf(id: string | undefined): Container | undefined {
    if (id === undefined) return undefined;
    let container = containers.get(id);
    if (container === undefined) {
      const entity = { type: 'container', id: { 'container.id': id }, description: {}, relationships: runsOnHost };
      containers.set(id, (container = { entity, members: 0 }));
    }
    return container;
  }

  /** Another program runs in the process, or its parent has ended. */
  function compare(process: Process, one: Known, now_ms: number): void {
    const entity = describe(process, identities.identify(process), one.container);
    if (!table.refresh(process)) return;
    one.name = process.nameHash;
    one.parent = process.parent;
    if (attributesKey(entity.description) === attributesKey(one.entity.description)) return;
    if (tellsProcesses) reporter.replace(one.entity, entity, now_ms);
    one.entity = entity;
  }

  function leave(process: Process, { entity, container }: Known): void {
    known.delete(process);
    if (tellsProcesses) reporter.end(entity, 'terminated');
    if (container !== undefined) container.members--;
  }

  return {
    look(now_ms) {
      const { processes, failure } = table.scan();
      if (failure !== undefined) log.once('processes', 'Cannot read all processes: those are not told');
      for (const [process, one] of known) if (process.hasEnded) leave(process, one);
      let beyond = 0;
      for (const process of processes) {
        const one = known.get(process);
        if (one === undefined) {
          if (known.size + containers.size < options.limit) enter(process);
          else beyond++;
        } else if (one.name !== process.nameHash || one.parent !== process.parent) compare(process, one, now_ms);
      }
      if (beyond > 0) {
        log.once('limit', `Tells ${beyond} processes not: max_entities is ${options.limit}`);
      } else log.over('limit', 'All processes are told again');
      for (const [id, container] of containers) {
        if (container.members === 0) {
          containers.delete(id);
          if (tellsContainers) reporter.end(container.entity, 'terminated');
        } else if (tellsContainers) reporter.keep(container.entity, now_ms);
      }
      if (tellsProcesses) for (const { entity } of known.values()) reporter.keep(entity, now_ms);
    },
    close: () => table.close(),
  };
}
