/** Where raw events come from. */
export interface WatchSource {
  /** Tells every event, in order, with both halves of a rename; otherwise only that something happened to a name. */
  readonly isExact: boolean;
  /** One watch covers a whole tree. */
  readonly isRecursive: boolean;
  /** Takes over at once what the kernel still holds. */
  drain(): void;
  /**
   * Watches a folder; watching the same one again gives the same number.
   * @param path in the form of {@link PATH_ENCODING}
   * @throws {Error} with the system's `code`: ENOSPC where there are too many watches
   */
  add(path: string): number;
  remove(watch: number): void;
  close(): void;
}

/**
 * Paths that the system is asked for: on Linux a name is bytes, which need not be UTF-8, and here has one character for
 * each byte, so that every file can be asked for. ASCII is the same in both.
 */
export const PATH_ENCODING = process.platform === 'linux' ? 'latin1' : 'utf8';

/** A path as functions of `node:fs` take it. */
export function systemPath(path: string): string | Buffer {
  return PATH_ENCODING === 'utf8' || isAscii(path) ? path : Buffer.from(path, PATH_ENCODING);
}

/** A path as people read it; bytes that are no UTF-8 become U+FFFD. */
export function readable(path: string): string {
  return PATH_ENCODING === 'utf8' || isAscii(path) ? path : Buffer.from(path, PATH_ENCODING).toString();
}

/** The reverse of {@link readable}. */
export function rawPath(path: string): string {
  return PATH_ENCODING === 'utf8' || isAscii(path) ? path : Buffer.from(path).toString(PATH_ENCODING);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
