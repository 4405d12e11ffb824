/** What the exit code of `sonde` says; 69, 70 and 78 are those of sysexits.h. */
export const EXIT_CODES = {
  /** All is well. */
  ok: 0,
  /** The command worked, and what it looked for is so: configurations differ, nothing can be collected. Or not all of it could be done. */
  found: 1,
  usage: 2,
  /** A component that must start did not, as when its port is taken. */
  cannotStart: 69,
  bug: 70,
  config: 78,
} as const;

export const EXIT_CODES_HELP = `Exit codes:
  0   all is well
  1   a check found something: configurations differ, or nothing can be collected;
      or a queue cannot be read or changed as asked
  2   the command line is wrong
  69  cannot start: a component that must start did not, as when its port is taken
  70  a bug in sonde
  78  the configuration is wrong`;
