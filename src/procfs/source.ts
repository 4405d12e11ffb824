/** Reads what a receiver measures from, so that a source that fails costs only what it would have told. */
import type { ComponentLog } from '../component.ts';
import type { Host } from './host.ts';

export interface SourceOptions {
  /** It is no fault if the file is not there, as on machines without the hardware. */
  readonly isOptional?: boolean;
}

/**
 * A function that reads and parses one kernel file, or returns `undefined` and says why, once, until it works again.
 * The file's descriptor is kept open, so not for files of things that come and go.
 */
export function createSource<T>(
  { host, log }: { readonly host: Host; readonly log: ComponentLog },
  path: string,
  parse: (file: Uint8Array) => T,
  options?: SourceOptions,
): () => T | undefined {
  const read = (): T => parse(host.read(path));
  return () => attempt(log, path, read, options);
}

/** Calls `read`; if it throws, says once why `source` tells nothing, and returns `undefined`. */
export function attempt<T>(
  log: ComponentLog,
  source: string,
  read: () => T,
  { isOptional = false }: SourceOptions = {},
): T | undefined {
  try {
    const value = read();
    log.over(source, `Reading ${source} works again`);
    return value;
  } catch (error) {
    if (!(isOptional && isAbsent(error))) log.once(source, describeFailure(source, error));
    return undefined;
  }
}

/**
 * The integer that is all that a small file of `/sys` or `/proc/sys` holds.
 * @throws {SyntaxError} it holds anything else, and the system's error
 */
export function readInteger(host: Pick<Host, 'readText'>, path: string): number {
  const text = host.readText(path).trim();
  // An empty text would be 0 for Number.
  if (!/^-?\d{1,16}$/.test(text)) {
    throw new SyntaxError(`Cannot parse ${path}: ${JSON.stringify(text.slice(0, 80))} is no integer`);
  }
  return Number(text);
}

/** Whether an error says that a file, or what it belonged to, is not there. */
export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENODEV' || code === 'ENXIO' || code === 'ESRCH';
}

function describeFailure(source: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof SyntaxError) return message;
  if (code === 'EACCES' || code === 'EPERM') return `Cannot read ${source}: permission denied (${code})`;
  if (isAbsent(error)) return `Cannot read ${source}: it does not exist (${code})`;
  return `Cannot read ${source}: ${code ?? message}`;
}
