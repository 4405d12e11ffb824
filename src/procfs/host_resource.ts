/** Which machine and which operating system this is: the attributes `host.*` and `os.*` of a resource. */
import type { Attributes } from '../model/attributes.ts';
import type { Host } from './host.ts';

/**
 * What can be told from files and system calls at once. What cannot be told is left out; nothing here fails.
 * In a container with the machine's root mounted (`root_path`) it is the machine's, except the running kernel, which
 * both share.
 */
export function detectHostResource(host: Host): Attributes {
  return present({ ...detectHost(host), ...detectOs(host) });
}

/** `host.name`, `host.id`, `host.arch`. */
export function detectHost(host: Host): Attributes {
  return present({
    'host.name': hostName(host),
    'host.id': hostId(host),
    'host.arch': hostArch(os().machine()),
  });
}

/** `os.type`, `os.name`, `os.version`, `os.description`, `os.build_id`. */
export function detectOs(host: Host): Attributes {
  const type = osType(host.platform);
  if (host.platform !== 'linux') {
    return present({
      'os.type': type,
      'os.name': host.platform === 'win32' ? 'Windows' : os().type(),
      'os.version': os().release(),
      'os.description': os().version(),
    });
  }
  const release = parseOsRelease(firstText(host, ['/etc/os-release', '/usr/lib/os-release']) ?? '');
  const kernel = `${os().type()} ${os().release()} ${os().version()} ${os().machine()}`;
  const pretty = release.get('PRETTY_NAME');
  return present({
    'os.type': type,
    'os.name': release.get('NAME') ?? release.get('ID'),
    'os.version': release.get('VERSION_ID'),
    'os.description': pretty === undefined ? kernel : `${pretty} (${kernel})`,
    'os.build_id': release.get('BUILD_ID') ?? firstText(host, ['/proc/sys/kernel/osrelease']),
  });
}

/** Its own name; in a container the name in the machine's file, because the system call answers with the container's. */
function hostName(host: Host): string | undefined {
  const fromFile = host.rootPath === '/' ? undefined : firstText(host, ['/etc/hostname']);
  return fromFile ?? nonEmpty(os().hostname());
}

/**
 * The unprivileged sources that the semantic conventions name. What macOS and Windows have takes a child process, and
 * so is left to `systeminformation`.
 */
function hostId(host: Host): string | undefined {
  if (host.platform === 'linux') {
    const id = firstText(host, ['/etc/machine-id', '/var/lib/dbus/machine-id']);
    // What systemd writes into images, to be replaced at the first boot (man machine-id).
    return id === 'uninitialized' ? undefined : id;
  }
  return host.platform.endsWith('bsd') ? firstText(host, ['/etc/hostid']) : undefined;
}

/** The value of `host.arch` for what `uname -m` says. */
export function hostArch(machine: string): string | undefined {
  if (/^(x86_64|amd64)$/i.test(machine)) return 'amd64';
  if (/^(aarch64|arm64)/i.test(machine)) return 'arm64';
  if (/^arm/i.test(machine)) return 'arm32';
  if (/^(i[3-6]86|x86)$/i.test(machine)) return 'x86';
  if (/^ppc64/i.test(machine)) return 'ppc64';
  if (/^ppc/i.test(machine)) return 'ppc32';
  return nonEmpty(machine);
}

function osType(platform: NodeJS.Platform): string {
  if (platform === 'win32') return 'windows';
  return platform === 'sunos' ? 'solaris' : platform;
}

/**
 * The assignments of `/etc/os-release` (man os-release), as `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`. Values are
 * quoted as in a shell; lines that are no assignment are passed over.
 */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const value = unquote(match[2]!);
    if (value !== '') values.set(match[1]!, value);
  }
  return values;
}

function unquote(value: string): string {
  const quote = value[0];
  if ((quote !== '"' && quote !== "'") || value.at(-1) !== quote || value.length < 2) return value;
  const inner = value.slice(1, -1);
  return quote === '"' ? inner.replace(/\\(["$`\\])/g, '$1') : inner;
}

/** The trimmed content of the first of the files that is there and not empty. */
function firstText(host: Host, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    try {
      const text = nonEmpty(host.readText(path).trim());
      if (text !== undefined) return text;
    } catch {
      // Not there, or not for us: the next one may be, and an attribute that cannot be told is left out.
    }
  }
  return undefined;
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Without the attributes that could not be told. */
function present(attributes: Readonly<Record<string, string | Attributes[string] | undefined>>): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, Attributes[string]] => entry[1] !== undefined),
  );
}

function os(): typeof import('node:os') {
  return process.getBuiltinModule('node:os');
}
