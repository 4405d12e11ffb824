/** Makes the attributes of processes, and the keys of groups. */
import type { Attributes, AnyValue } from '../../src/model/attributes.ts';
import { creationTime } from '../../src/procfs/process/creation.ts';
import { type Arguments, commandLineOf, commandOf } from '../../src/procfs/process/command.ts';
import type { Identity } from '../../src/procfs/process/identity.ts';
import type { Process } from '../../src/procfs/process/process.ts';
import type { Description } from './metrics.ts';

/** What makes a group of processes. */
export const GROUPINGS = ['executable', 'owner', 'unit', 'container'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** The attribute that names a group. */
export const GROUP_ATTRIBUTES: Readonly<Record<Grouping, Description>> = {
  executable: 'process.executable.name',
  owner: 'process.owner',
  unit: 'systemd.unit',
  container: 'container.id',
};

export interface DescribeOptions {
  readonly attributes: readonly Description[];
  readonly command_line: Arguments;
}

/** The attributes of a process that is reported singly; empty and unknown ones are left out. */
export function describeProcess(
  process: Process,
  identity: Identity,
  startTime: bigint | undefined,
  { attributes, command_line }: DescribeOptions,
): Attributes {
  const described: Record<string, AnyValue> = { 'process.pid': process.pid };
  if (startTime !== undefined) described['process.creation.time'] = creationTime(startTime);
  for (const key of attributes) {
    const value = READERS[key](identity, process);
    if (value !== undefined && value !== '') described[key] = value;
  }
  if (command_line !== 'none') {
    const line = commandLineOf(identity.args, command_line);
    if (line !== undefined && line !== '') described['process.command_line'] = line;
  }
  return described;
}

type Reader = (identity: Identity, process: Process) => string | number | undefined;

const READERS: Readonly<Record<Description, Reader>> = {
  'process.executable.name': ({ executable }) => executable,
  'process.executable.path': ({ executablePath }) => executablePath,
  'process.command': ({ args, executablePath }) => commandOf(args, executablePath),
  'process.args_count': ({ args }) => (args.length === 0 ? undefined : args.length),
  'process.owner': ({ owner }) => owner,
  'process.parent_pid': (_, { parent }) => parent,
  'process.linux.cgroup': ({ cgroup }) => cgroup.line,
  'systemd.unit': ({ cgroup }) => cgroup.unit,
  'container.id': ({ cgroup }) => cgroup.containerId,
};

/** The name of the group that a process belongs to; undefined if it has none, as a process outside of containers. */
export function groupOf(grouping: Grouping, identity: Identity): string | undefined {
  const name =
    grouping === 'executable'
      ? identity.executable
      : grouping === 'owner'
        ? identity.owner
        : grouping === 'unit'
          ? identity.cgroup.unit
          : identity.cgroup.containerId;
  return name === '' ? undefined : name;
}
