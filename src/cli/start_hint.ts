/** What to do when the agent cannot start. */
import type { LoadedConfig } from '../config/load.ts';
import { readShape, type Shape } from '../config/shape.ts';
import { formatPath, type Path } from '../config/tree.ts';

interface ListenError {
  readonly code: string;
  readonly port: number;
  readonly address: string;
}

/** A hint that names the option at fault, where one is. */
export function hintForStart(error: unknown, loaded: LoadedConfig): string | undefined {
  const failure = listenErrorIn(error);
  if (failure === undefined) {
    const { path } = error as NodeJS.ErrnoException;
    const isOfMachine = path?.endsWith('/proc/stat') === true;
    return isOfMachine ? `agent.root_path is ${loaded.agent.root_path}: mount the machine's / there` : undefined;
  }
  const { code, port, address } = failure;
  const option = optionWithPort(loaded, port);
  const other = `${address.includes(':') ? `[${address}]` : address}:${port < 1024 ? port + 8000 : port + 1}`;
  const change = option === undefined ? 'choose another port' : `choose another with --set ${option}=${other}`;
  switch (code) {
    case 'EADDRINUSE':
      return process.platform === 'linux' ? `${change}; who has this one: ss -ltnp 'sport = :${port}'` : change;
    case 'EACCES':
      return `ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or ${change}`;
    case 'EADDRNOTAVAIL':
      return `no interface of this machine has the address ${address}; change ${option ?? 'the endpoint'}`;
    default:
      return undefined;
  }
}

/** The error of `listen` that an error was caused by, if it was one. */
function listenErrorIn(error: unknown): ListenError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code, port, address, syscall } = at as NodeJS.ErrnoException & Partial<ListenError>;
    if (syscall === 'listen' && code !== undefined && port !== undefined) return { code, port, address: address ?? '' };
  }
  return undefined;
}

/** The dotted path of the endpoint that has this port. */
function optionWithPort(loaded: LoadedConfig, port: number): string | undefined {
  for (const section of ['receivers', 'exporters'] as const) {
    for (const [id, { definition, config }] of loaded[section]) {
      for (const [path, value] of endpointsIn(readShape(definition.config), config, [section, id])) {
        if (value.endsWith(`:${port}`)) return formatPath(path);
      }
    }
  }
  return undefined;
}

/** Every `host:port` of a component's configuration, with its path. */
export function* endpointsIn(shape: Shape, value: unknown, path: Path): Generator<readonly [Path, string]> {
  if (shape.format === 'host:port') {
    if (typeof value === 'string') yield [path, value];
    return;
  }
  if (typeof value !== 'object' || value === null || shape.kind !== 'object') return;
  for (const [name, entry] of shape.entries) {
    yield* endpointsIn(entry, (value as Record<string, unknown>)[name], [...path, name]);
  }
}
