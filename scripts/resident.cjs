// Becomes dist/resident.cjs. Not TypeScript, because the launcher loads it, which is none either.
'use strict';
const { readFileSync, readlinkSync } = require('node:fs');

/** The same number on every Linux that Node.js runs on: madvise(2). */
const MADV_DONTNEED = 4;

/** Functions of the C library, found when they are first used: `node:ffi` is not loaded for the start. */
let functions;

/**
 * Lets go of memory that is resident but not in use. Does nothing where it cannot: on other systems than Linux, and
 * where Node.js may not call the C library (--permission).
 */
function shrinkResident() {
  if (process.platform !== 'linux') return;
  functions ??= findFunctions();
  const { madvise, malloc_trim } = functions;
  malloc_trim?.(0n);
  if (madvise !== undefined) releaseProgram(madvise);
}

/**
 * Pages of the file of Node.js. For its start it needs twice as much of it as later, and the kernel brings in 64 KiB
 * around each byte that is touched. What is touched again comes back out of the page cache, in microseconds.
 */
function releaseProgram(madvise) {
  let mappings;
  try {
    mappings = cleanMappings(readFileSync('/proc/self/smaps', 'latin1'), readlinkSync('/proc/self/exe'));
  } catch {
    // Where /proc is not there, or may not be read, pages stay until the kernel needs them.
    return;
  }
  for (const [start, end] of mappings) madvise(start, end - start, MADV_DONTNEED);
}

/**
 * From where to where a file is mapped of which the process has changed nothing: only of such pages nothing is lost.
 * `0082e000-03489000 r-xp 0042e000 fe:00 2181396    /usr/bin/node`, then lines as `Anonymous:       0 kB` (proc_pid_smaps(5)).
 */
function cleanMappings(smaps, path) {
  const found = [];
  let mapping;
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/.exec(line);
    if (head !== null) {
      const [, start, end, access, name] = head;
      mapping = name === path && !access.includes('w') ? [BigInt(`0x${start}`), BigInt(`0x${end}`)] : undefined;
    } else if (mapping !== undefined && /^Anonymous: +0 kB$/.test(line)) found.push(mapping);
  }
  return found;
}

function findFunctions() {
  // It warns that it is experimental, which is no concern of who runs the agent.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const { dlopen } = require('node:ffi');
    const find = (name, parameters) => {
      try {
        return dlopen(null, { [name]: { return: 'int32', arguments: parameters } }).functions[name];
      } catch {
        // As malloc_trim, which only glibc has; or it is not allowed.
        return undefined;
      }
    };
    return { madvise: find('madvise', ['uint64', 'uint64', 'int32']), malloc_trim: find('malloc_trim', ['uint64']) };
  } catch {
    // This Node.js was built without it.
    return {};
  } finally {
    process.emitWarning = emitWarning;
  }
}

module.exports = { cleanMappings, shrinkResident };
