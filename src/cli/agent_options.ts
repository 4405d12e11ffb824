/**
 * The command line's options for the agent's own settings. A table of its own, because the settings themselves come
 * with the whole configuration loader, which `sonde --help` has no need of; a test holds the two together.
 */
export interface AgentOption {
  /** As in `--log-level`. */
  readonly name: string;
  /** Stands for the value in the help. */
  readonly value: string;
  readonly about: string;
}

export const AGENT_OPTIONS: readonly AgentOption[] = [
  { name: 'root-path', value: 'dir', about: 'where the file system of the measured machine begins' },
  { name: 'collection-interval', value: 'duration', about: 'how often receivers collect that do not say so' },
  { name: 'log-level', value: 'level', about: 'debug, info, warn or error' },
  { name: 'log-format', value: 'format', about: 'auto, text, json or logfmt' },
  { name: 'shutdown-timeout', value: 'duration', about: 'how long it may take to hand over what it still holds' },
  { name: 'startup-timeout', value: 'duration', about: 'how long a component may take to start' },
  { name: 'instance-id', value: 'id', about: 'the resource attribute service.instance.id' },
  { name: 'budget-cpu', value: 'percentage', about: 'most of one processor that the agent may take, as 5%' },
  { name: 'budget-memory', value: 'size', about: 'most physical memory that it may take, as 150MiB' },
];
