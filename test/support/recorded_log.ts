import type { ComponentLog } from '../../src/component.ts';

export interface RecordedLog extends ComponentLog {
  readonly lines: {
    readonly level: string;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
}

/** A log that keeps what it was told, with the meaning of `once` and `over`. */
export function createRecordedLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const said = new Set<string>();
  const write =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push({ level, message, fields });
    };
  return {
    lines,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    once(key, message, fields) {
      if (said.has(key)) return;
      said.add(key);
      write('warn')(message, fields);
    },
    over(key, message) {
      if (said.delete(key)) write('info')(message);
    },
  };
}
