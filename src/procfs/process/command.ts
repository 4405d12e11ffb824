/** What a process was started with, and how much of it may be shown. */

/** `full` shows secrets that were given as arguments to everyone who sees the telemetry. */
export type Arguments = 'none' | 'redacted' | 'full';

const REDACTED = '[REDACTED]';

/** The arguments in `/proc/PID/cmdline`, which end in a NUL each; none for kernel threads and zombies. */
export function parseCmdline(file: Uint8Array): string[] {
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString();
  // A program may write a title of its own over them, and not end it, or fill the rest with NULs.
  const parts = text.replace(/\0+$/, '').split('\0');
  return parts.length === 1 && parts[0] === '' ? [] : parts;
}

/**
 * What stands for the program: the first argument. A title, as `postgres: alice shop [local] SELECT` or all arguments
 * joined, is one argument: only its first word is the program's.
 */
export function commandOf(args: readonly string[], executable: string | undefined): string | undefined {
  const [first] = args;
  if (first === undefined || first === '') return undefined;
  if (args.length > 1 || first === executable) return first;
  return first.split(/\s/, 1)[0]!.replace(/:$/, '') || undefined;
}

/** Arguments as one text, as a shell would show them without quotes. */
export function commandLineOf(args: readonly string[], shown: Arguments): string | undefined {
  if (args.length === 0 || shown === 'none') return undefined;
  return (shown === 'full' ? args : redactArguments(args)).join(' ');
}

/** Words that say that the value is secret, in names as `--db-password`, `API_KEY`, `-token`. */
const SECRET_NAME =
  /(?:^|[-_.])(?:pass(?:word|wd|phrase|code)?|pwd|pw|secrets?|(?:api|access|private|secret|auth|encryption|account|shared|signing)[-_.]?keys?|key|tokens?|credentials?|creds?|auth(?:orization)?|bearer|cookie|session|sas|dsn|connection[-_.]?string)(?:$|[-_.])/i;

/**
 * The arguments with what looks like a secret replaced: the value of an option or assignment that is named like one
 * (`--password=x`, `--token x`, `API_KEY=x`, `-px` of MySQL's programs), credentials and secret parameters in URLs,
 * headers of authorization. A guess that cannot be complete.
 */
export function redactArguments(args: readonly string[]): string[] {
  let isNextSecret = false;
  return args.map((argument, index) => {
    if (isNextSecret && !argument.startsWith('-')) {
      isNextSecret = false;
      return REDACTED;
    }
    isNextSecret = false;
    // A title: several arguments in one text.
    if (args.length === 1 && /\s/.test(argument)) return redactArguments(argument.split(/\s+/)).join(' ');
    const assignment = /^(-{0,2}[\w.-]+)([=:])([\s\S]+)$/.exec(argument);
    if (assignment !== null && index > 0 && isSecretName(assignment[1]!)) {
      return `${assignment[1]}${assignment[2]}${REDACTED}`;
    }
    if (/^--?[A-Za-z]/.test(argument) && isSecretName(argument)) {
      isNextSecret = true;
      return argument;
    }
    if (/^-p./.test(argument) && /(^|\/)(mysql|mariadb)[\w-]*$/.test(args[0]!)) return `-p${REDACTED}`;
    return redactText(argument);
  });
}

function isSecretName(name: string): boolean {
  // camelCase as in `--apiKey`.
  return SECRET_NAME.test(name.replace(/([a-z0-9])([A-Z])/g, '$1-$2'));
}

/** Within an argument: `https://user:password@host/?token=x`, `Authorization: Bearer x`, `a=1;password=x`. */
function redactText(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@]{1,500}@/gi, `$1${REDACTED}@`)
    .replace(/\b(authorization|cookie|x-api-key)(\s*[:=]\s*)[^\n]+/gi, `$1$2${REDACTED}`)
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${REDACTED}`)
    .replace(/([\w.-]{1,100})=([^\s&;,]+)/g, (whole, name: string) =>
      isSecretName(name) ? `${name}=${REDACTED}` : whole,
    );
}
