/** Functions of the C library and of libuv, which Node.js itself brings, called directly. */
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';

export type Ffi = typeof import('node:ffi');
export type FunctionDefinitions = NonNullable<Parameters<Ffi['dlopen']>[1]>;
type Functions<F extends FunctionDefinitions> = ReturnType<typeof import('node:ffi').dlopen<F>>['functions'];

export interface Native<F extends FunctionDefinitions> {
  readonly functions: Functions<F>;
  /** What the last call ended with: an error with the system's `code`. To be asked before any other call. */
  failure(doing: string): NodeJS.ErrnoException;
  /** The number of that error, where making one would cost too much. */
  errno(): number;
}

/** An error as those of `node:fs` are: its code is the name of a number of errno(3). */
export function systemError(doing: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`Cannot ${doing}: ${code}`), { code, errno });
}

/** @returns undefined where this Node.js has no `node:ffi`, or may not use it, or bytes are in the other order */
export function openNative<const F extends FunctionDefinitions>(definitions: F): Native<F> | undefined {
  const ffi = endianness() === 'LE' ? loadFfi() : undefined;
  if (ffi === undefined) return undefined;
  const { functions } = ffi.dlopen(null, definitions);
  const { __errno_location } = ffi.dlopen(null, { __errno_location: { return: 'pointer', arguments: [] } }).functions;
  // The address belongs to the thread and stays.
  const errnoAddress = __errno_location();
  return {
    functions: functions as Functions<F>,
    errno: () => ffi.getInt32(errnoAddress),
    failure: (doing) => systemError(doing, ffi.getInt32(errnoAddress)),
  };
}

let loaded: Ffi | undefined;

/**
 * Loading `node:ffi` makes Node.js warn on stderr that it is experimental, which is the concern of whoever builds this
 * agent, not of who runs it: that one warning is kept back.
 */
export function loadFfi(): Ffi | undefined {
  if (loaded !== undefined) return loaded;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    loaded = process.getBuiltinModule('node:ffi') as Ffi | undefined;
    // The permission model (--permission without --allow-ffi) refuses the first use, not the loading.
    loaded?.dlopen(null, { close: { return: 'int32', arguments: ['int32'] } });
  } catch {
    // What is not allowed is not there: the caller has another way.
    loaded = undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
  return loaded;
}
